"""Delete expired rows of a recording, a few hundred in one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.option_validation import within
from .database import scalar, write_rows

__all__ = ["RecordingLimits", "Retention"]

DELETED = 500
"""Maximum number of rows that a statement deletes."""

TRIM_TICKS = 60
"""Ticks between two checks of the numbers of rows."""

_ORDER = {
    "events": ("time", "seq"),
    "connections": ("closed", "id"),
    "channels": ("published", "channel"),
}
"""Table → the indexed column by which rows are deleted, and the key of a row in its epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """Retention limits of a recording.

    Args:
        ticks: retention of single ticks in seconds; an hour by default.
        tens: retention of points of 10 ticks in seconds; a day by default.
        sixties: retention of points of 60 ticks in seconds; 30 days by default.
        events: maximum number of Events; the oldest are deleted first.
        connections: maximum number of closed connections; the oldest are deleted first.
        channels: maximum number of channels.
        log: maximum size of SQLite's write-ahead log in bytes. If a reader keeps it from being
            emptied for so long, the recording pauses until it can be.

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
        """Return the retention of a resolution in seconds."""
        return {1: self.ticks, 10: self.tens, 60: self.sixties}[level]


class Retention:
    """Enforces the limits of a recording.

    Rows are counted once, when the file is opened.

    Args:
        db: the connection that writes.
        limits: the limits.

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
        """Write rows of a table with a maximum number of rows.

        Args:
            table: the table.
            statements: one that ignores existing rows, and one that replaces them.
            rows: the rows.
        """
        ignore, replace = statements
        new = write_rows(self._db, ignore, rows)
        self.counts[table] += new
        if new < len(rows):
            write_rows(self._db, replace, rows)

    def delete_old(self, now: float, seq: int) -> None:
        """Delete some of the rows that exceed a limit, as of a tick.

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
                    # Longer than single ticks: the minute before the oldest must be complete.
                    (level, now - 2 * self._limits.seconds(level)),
                )

    def _trim(self, table: str, keep: int) -> None:
        order, key = _ORDER[table]
        # Rows that belong to a connection are deleted with it.
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
