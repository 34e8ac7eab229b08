"""Retention limits of a recording: delete old rows, at most a few hundred at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.option_validation import within
from .database import scalar, write_rows

__all__ = ["RecordingLimits", "Retention"]

DELETED = 500
"""Maximum number of rows deleted at a time, so that no write of a tick takes long."""

TRIM_TICKS = 60
"""Ticks between two checks whether tables have more rows than their limits allow."""

_ORDER = {
    "events": ("time", "seq"),
    "connections": ("closed", "id"),
    "channels": ("published", "channel"),
}
"""Table → the indexed column by which the oldest rows are found, and the key column of a row.

The key identifies a row together with the row's epoch.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """Retention limits of a recording.

    Args:
        ticks: seconds for which Samples of single ticks are kept; an hour by default.
        tens: seconds for which Samples merged from 10 ticks are kept; a day by default.
        sixties: seconds for which Samples merged from 60 ticks are kept; 30 days by default.
        events: maximum number of Events; the oldest are deleted first.
        connections: maximum number of closed connections; the oldest are deleted first.
        channels: maximum number of channels; those with the fewest publications are deleted first.
        log: maximum size of SQLite's write-ahead log in bytes. A process that reads the recording
            can keep SQLite from emptying the log. At this size, the recording pauses until the log
            can be emptied.

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
        """Return the seconds for which merged Samples of ``level`` (1, 10 or 60) ticks are kept."""
        return {1: self.ticks, 10: self.tens, 60: self.sixties}[level]


class Retention:
    """Enforces the retention limits of a recording.

    Rows are counted with SQL once, when the file is opened; then :attr:`counts` is kept up to date.

    Args:
        db: the SQLite connection that writes the recording.
        limits: the retention limits.

    Attributes:
        counts: table → number of its rows, for the tables with a maximum number of rows.
    """

    def __init__(self, db: sqlite3.Connection, limits: RecordingLimits) -> None:
        self._db = db
        self._limits = limits
        self.counts = {
            table: scalar(db, f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in _ORDER
        }

    def insert(self, table: str, statements: tuple[str, str], rows: Sequence[Any]) -> None:
        """Write rows into a table that has a maximum number of rows, and count the new rows.

        Args:
            table: the table.
            statements: two INSERT statements: the first ignores existing rows, the second replaces
                them.
            rows: the rows; a row that exists already is replaced.
        """
        ignore, replace = statements
        new = write_rows(self._db, ignore, rows)
        self.counts[table] += new
        if new < len(rows):
            write_rows(self._db, replace, rows)

    def delete_old(self, now: float, seq: int) -> None:
        """Delete some of the rows that exceed a limit; called when a tick is written.

        Args:
            now: the tick's time, Unix seconds.
            seq: the tick's number.
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
                    # Twice as long as Samples: latencies at the oldest tick need the labels of the
                    # minute before it.
                    (level, now - 2 * self._limits.seconds(level)),
                )

    def _trim(self, table: str, keep: int) -> None:
        order, key = _ORDER[table]
        # A connection's traceback and last frames are deleted with the connection.
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
        """Delete rows of the first table, and the rows of the other tables with the same keys.

        Args:
            tables: the tables.
            keys: names of the key columns.
            which: SQL condition and order that select rows of the first table.
            values: the values of the condition's parameters.
            most: maximum number of rows to delete; never more than :data:`DELETED`.

        Returns:
            The number of rows deleted from the first table.
        """
        found = self._db.execute(
            f"SELECT {', '.join(keys)} FROM {tables[0]} WHERE {which} LIMIT ?",  # noqa: S608
            (*values, min(most, DELETED)),
        ).fetchall()
        where = " AND ".join(f"{key} = ?" for key in keys)
        for table in tables:
            self._db.executemany(f"DELETE FROM {table} WHERE {where}", found)  # noqa: S608
        return len(found)

    def forget_open(self, epoch: int) -> None:
        """Delete connections that were still open when their epoch ended, oldest first.

        They are deleted until at most the maximum number of connections is left.

        Args:
            epoch: id of the epoch that is recorded now; its connections are kept.
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
