"""A recording's file, opened for reading: statements, epochs, and a copy of the whole."""

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
    """One epoch of a server in a recording.

    Attributes:
        id: its number in the file.
        node: the server process.
        epoch: its name.
        wall: when recording it began, Unix seconds.
        ended: when it ended; None while it is recorded.
    """

    id: int
    node: str
    epoch: str
    wall: float
    ended: float | None


class RecordingFile:
    """A recording's file, finished or not; each method may be called on any thread.

    No statement's transaction outlives the method.

    Args:
        path: the file.

    Attributes:
        version: of its format, see :data:`.schema.VERSION`.

    Raises:
        FileFormatError: it is not a recording, is damaged, or was written by a newer release. Each
            method raises it, too, where the damage is.
        OSError: it is not there or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_reader(path)
        self.version: int = scalar(self._db, "PRAGMA user_version")
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Select rows, whose columns can be read by name."""
        with self._lock, reading(self.path):
            return self._db.execute(statement, values).fetchall()

    def plain(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Select the same as :meth:`all`, as plain tuples."""
        with self._lock, reading(self.path):
            cursor = self._db.cursor()
            cursor.row_factory = None
            return cursor.execute(statement, values).fetchall()

    def pages(
        self, statement: str, values: tuple[Any, ...], *, after: Any, key: int, size: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a statement page by page; its last parameters are a key and a limit.

        Args:
            statement: the statement.
            values: its other values.
            after: a key below all others.
            key: the index of the column that the rows are ordered by.
            size: rows of a page.
        """
        while page := self.plain(statement, *values, after, size):
            yield page
            after = page[-1][key]

    def one(self, statement: str, *values: Any) -> Any:
        """Select a single value; None if there is no row."""
        with self._lock, reading(self.path):
            return scalar(self._db, statement, *values)

    def epochs(self) -> list[Epoch]:
        """Return the epochs, oldest first."""
        found = self.all("SELECT id, node, epoch, wall, ended FROM epochs ORDER BY wall, id")
        return [Epoch(*row) for row in found]

    def span(self) -> tuple[float, float] | None:
        """Return the times of the first and the last tick, Unix seconds; None without any."""
        begins = [self.one("SELECT min(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        ends = [self.one("SELECT max(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        known = [time for time in begins if time is not None]
        return (min(known), max(time for time in ends if time is not None)) if known else None

    def epoch_at(self, at: float | None) -> Epoch | None:
        """Return the epoch of the last tick up to a time, or a first epoch without ticks."""
        epochs = self.epochs()
        begun = [each for each in epochs if at is None or each.wall <= at]
        # Between a restart and the first tick after it, the previous state is shown.
        while at is not None and len(begun) > 1 and not self._has_tick(begun[-1], at):
            begun.pop()
        if begun or at is None:
            return begun[-1] if begun else None
        # A tick's time may be slightly earlier than the recorded start of its epoch.
        return epochs[0] if epochs and epochs[0].wall - 1.0 <= at else None

    def _has_tick(self, epoch: Epoch, until: float) -> bool:
        statement = "SELECT 1 FROM samples WHERE level = ? AND epoch = ? AND time <= ? LIMIT 1"
        last = bounds(None, until)[1]
        return any(self.one(statement, level, epoch.id, last) for level in LEVELS)

    def source(self, at: float | None = None) -> Source:
        """Return the source of answers: the last tick up to a time."""
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
        """Copy the whole recording into another file, even while it is being written.

        The copy appears under its name once it is complete.

        Raises:
            OSError: the file cannot be written.
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
    """Return a range with infinities in place of None."""
    return (-1e18 if since is None else since, 1e18 if until is None else until)


def record(kind: Any, row: Any) -> Any:
    """Make a record of a row, ignoring further columns."""
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})
