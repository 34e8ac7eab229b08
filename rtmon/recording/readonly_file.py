"""A recording's file, opened for reading: run SQL statements, list epochs, copy the file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..feeds.queries import LEVELS, Source
from .database import as_os_error, open_reader, reading, scalar

__all__ = ["Epoch", "RecordingFile", "bounds", "record"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch in a recording: the time from one start of the measured server to its end.

    Attributes:
        id: number of the epoch in the file.
        node: name of the server process.
        epoch: name of the epoch.
        wall: when the recording of the epoch began, Unix seconds.
        ended: when the epoch ended, Unix seconds; None while it is still recorded.
    """

    id: int
    node: str
    epoch: str
    wall: float
    ended: float | None


class RecordingFile:
    """A recording's file, opened for reading, also while it is still written.

    Methods may be called on any thread. A method never leaves an SQL transaction open.

    Args:
        path: the recording.

    Attributes:
        version: version of the file's format; see :data:`.schema.VERSION`.

    Raises:
        FileFormatError: the file is not a recording, is damaged, or was written by a newer rtmon.
            Methods raise this error, too, when they read a damaged part of the file.
        OSError: the file does not exist or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_reader(path)
        self.version: int = scalar(self._db, "PRAGMA user_version")
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the recording's file."""
        with self._lock:
            self._db.close()

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Execute an SQL SELECT statement; return its rows, whose columns can be read by name."""
        with self._lock, reading(self.path):
            return self._db.execute(statement, values).fetchall()

    def plain(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute an SQL SELECT statement; return tuples, which are created faster than rows."""
        with self._lock, reading(self.path):
            cursor = self._db.cursor()
            cursor.row_factory = None
            return cursor.execute(statement, values).fetchall()

    def pages(
        self, statement: str, values: tuple[Any, ...], *, after: Any, key: int, size: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Execute an SQL SELECT statement for one page after another, and yield the pages.

        Args:
            statement: the statement. Its last two parameters are the key after which a page begins,
                and the maximum number of rows.
            values: the values of the statement's other parameters.
            after: a key below the keys of all rows.
            key: index of the column with the key, by which the statement must sort.
            size: number of rows in a page.
        """
        while page := self.plain(statement, *values, after, size):
            yield page
            after = page[-1][key]

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row that an SQL statement selects; None if none."""
        with self._lock, reading(self.path):
            return scalar(self._db, statement, *values)

    def epochs(self) -> list[Epoch]:
        """Return all epochs in the recording, oldest first."""
        found = self.all("SELECT id, node, epoch, wall, ended FROM epochs ORDER BY wall, id")
        return [Epoch(*row) for row in found]

    def span(self) -> tuple[float, float] | None:
        """Return the Unix times of the first and the last recorded tick; None if there are none."""
        begins = [self.one("SELECT min(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        ends = [self.one("SELECT max(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        known = [time for time in begins if time is not None]
        return (min(known), max(time for time in ends if time is not None)) if known else None

    def epoch_at(self, at: float | None) -> Epoch | None:
        """Return the epoch of the last tick up to a time.

        Args:
            at: Unix seconds; None for the end of the recording.

        Returns:
            The epoch. If no epoch has a tick up to this time: the first epoch if it began before
            this time, else None.
        """
        epochs = self.epochs()
        begun = [each for each in epochs if at is None or each.wall <= at]
        # Between a server's restart and its first tick, the previous epoch is still shown.
        while at is not None and len(begun) > 1 and not self._has_tick(begun[-1], at):
            begun.pop()
        if begun or at is None:
            return begun[-1] if begun else None
        # The time of an epoch's first tick may be slightly before the epoch's recorded start.
        return epochs[0] if epochs and epochs[0].wall - 1.0 <= at else None

    def _has_tick(self, epoch: Epoch, until: float) -> bool:
        statement = "SELECT 1 FROM samples WHERE level = ? AND epoch = ? AND time <= ? LIMIT 1"
        last = bounds(None, until)[1]
        return any(self.one(statement, level, epoch.id, last) for level in LEVELS)

    def source(self, at: float | None = None) -> Source:
        """Return the node, epoch, tick number and tick time of the last tick at or before ``at``.

        Args:
            at: Unix seconds; None for the end of the recording.
        """
        epoch = self.epoch_at(at)
        if epoch is None:
            return Source()
        for level in LEVELS:
            found = self.all(
                "SELECT seq, time FROM samples WHERE level = ? AND epoch = ? AND time <= ? "
                "ORDER BY seq DESC LIMIT 1",
                *(level, epoch.id, bounds(None, at)[1]),
            )
            if found:
                seq, time = found[0]
                return Source(node=epoch.node, epoch=epoch.epoch, seq=seq, time=time)
        return Source(node=epoch.node, epoch=epoch.epoch)

    def copy(self, to: Path) -> None:
        """Copy the whole recording to another file, also while the recording is still written.

        The copy is written under a temporary name and renamed when it is complete.

        Args:
            to: path of the copy; an existing file is replaced.

        Raises:
            OSError: the copy cannot be written.
        """
        partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
        with as_os_error(to):
            copy = sqlite3.connect(partial, isolation_level=None)
            try:
                with self._lock:
                    self._db.backup(copy, pages=1024)
                copy.execute("PRAGMA journal_mode = DELETE")
            except BaseException:
                copy.close()
                partial.unlink(missing_ok=True)
                raise
            copy.close()
        partial.replace(to)


def bounds(since: float | None, until: float | None) -> tuple[float, float]:
    """Return the start and end of a time range for SQL, where None becomes -1e18 or 1e18."""
    return (-1e18 if since is None else since, 1e18 if until is None else until)


def record(kind: Any, row: Any) -> Any:
    """Create a record, such as a ConnectionInfo, from an SQL row.

    Columns of the row that the record does not have are ignored.

    Args:
        kind: the dataclass of the record.
        row: the row, whose columns can be read by name.
    """
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})
