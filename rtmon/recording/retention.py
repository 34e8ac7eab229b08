"""Delete what a recording no longer keeps, a few hundred rows a statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.option_checks import within
from .database import scalar, write_rows

__all__ = ["RecordingLimits", "Retention"]

DELETED = 500
"""Rows that a statement deletes at most."""

TRIM_TICKS = 60
"""Ticks between two looks at how many rows there are."""

_ORDER = {
    "events": ("time", "seq"),
    "connections": ("closed", "id"),
    "channels": ("published", "channel"),
}
"""Table → the indexed column by which rows are deleted, and the key of a row in its epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """How much a recording keeps.

    Args:
        ticks: seconds for which single ticks are kept; an hour by default.
        tens: seconds for which points of 10 ticks are kept; a day by default.
        sixties: seconds for which points of 60 ticks are kept; 30 days by default.
        events: Events that are kept; the oldest go first.
        connections: closed connections that are kept; the oldest go first.
        channels: channels that are kept.
        log: bytes that SQLite's write-ahead log may have. One that a reader keeps from being
            emptied for so long makes the recording take no more ticks until it is.

    Raises:
        OptionError: a number is out of range.
    """

    ticks: float = 3600.0
    tens: float = 86_400.0
    sixties: float = 30 * 86_400.0
    events: int = 200_000
    connections: int = 200_000
    channels: int = 10_000
    log: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in ("ticks", "tens", "sixties"):
            within(name, getattr(self, name), 60, 10 * 365 * 86_400)
        for name in ("events", "connections", "channels"):
            within(name, getattr(self, name), 0, 100_000_000)
        within("log", self.log, 1024 * 1024, 1 << 40)

    def seconds(self, level: int) -> float:
        """Return how long points of a resolution are kept."""
        return {1: self.ticks, 10: self.tens, 60: self.sixties}[level]


class Retention:
    """Keeps a recording within its limits.

    How many rows there are is counted once, when the file is opened.

    Args:
        db: the connection that writes.
        limits: how much is kept.

    Attributes:
        counts: rows of each table that is limited by number.
    """

    def __init__(self, db: sqlite3.Connection, limits: RecordingLimits) -> None:
        self._db = db
        self._limits = limits
        self.counts = {
            table: scalar(db, f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in _ORDER
        }

    def insert(self, table: str, statements: tuple[str, str], rows: Sequence[Any]) -> None:
        """Write rows of a table that is limited by number.

        Args:
            table: the table.
            statements: one that ignores rows that are there, and one that replaces them.
            rows: the rows.
        """
        ignore, replace = statements
        new = write_rows(self._db, ignore, rows)
        self.counts[table] += new
        if new < len(rows):
            write_rows(self._db, replace, rows)

    def delete_old(self, now: float, seq: int) -> None:
        """Delete some of what is too old, or too much, as of a tick.

        Args:
            now: the tick's time, Unix seconds.
            seq: its number.
        """
        for level in (1, 10, 60):
            self._delete(
                ("samples", "histograms"),
                ("level", "epoch", "seq"),
                "level = ? AND time < ? ORDER BY time",
                (level, now - self._limits.seconds(level)),
            )
        if seq % TRIM_TICKS == 0:
            for table in _ORDER:
                self._trim(table, getattr(self._limits, table))
            for table, key in (("totals", "seq"), ("states", "name, minute")):
                self._delete(
                    (table,),
                    ("epoch", *key.split(", ")),
                    "time < ? ORDER BY time",
                    (now - self._limits.seconds(60),),
                )
            for level in (1, 60):
                self._delete(
                    ("labels",),
                    ("level", "epoch", "seq"),
                    "level = ? AND time < ? ORDER BY time",
                    # Longer than the ticks: the minute before the oldest has to be whole.
                    (level, now - 2 * self._limits.seconds(level)),
                )

    def _trim(self, table: str, keep: int) -> None:
        order, key = _ORDER[table]
        # What belongs to a connection goes with it.
        tables = (table, "blackboxes") if table == "connections" else (table,)
        for _ in range(TRIM_TICKS):
            excess = self.counts[table] - keep
            if excess <= 0:
                break
            self.counts[table] -= self._delete(
                tables, ("epoch", key), f"TRUE ORDER BY {order}", (), most=excess
            )

    def _delete(
        self,
        tables: tuple[str, ...],
        keys: tuple[str, ...],
        which: str,
        values: tuple[Any, ...],
        *,
        most: int = DELETED,
    ) -> int:
        """Delete rows of the first table, and those of the others with the same keys."""
        found = self._db.execute(
            f"SELECT {', '.join(keys)} FROM {tables[0]} WHERE {which} LIMIT ?",  # noqa: S608
            (*values, min(most, DELETED)),
        ).fetchall()
        where = " AND ".join(f"{key} = ?" for key in keys)
        for table in tables:
            self._db.executemany(f"DELETE FROM {table} WHERE {where}", found)  # noqa: S608
        return len(found)

    def forget_open(self, epoch: int) -> None:
        """Delete the connections that were open when epochs ended, past the limit.

        Args:
            epoch: the epoch that is recorded now.
        """
        count = "SELECT count(*) FROM open_connections WHERE epoch != ?"
        excess = scalar(self._db, count, epoch) - self._limits.connections
        while excess > 0:
            excess -= self._delete(
                ("open_connections",),
                ("epoch", "id"),
                "epoch != ? ORDER BY epoch, id",
                (epoch,),
                most=excess,
            )
