"""Write ticks into the SQLite file of a recording, each in one transaction."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..metrics.records import ConnectionInfo, Event, Sample
from ..metrics.redaction import KEEP_ALL, Redaction
from . import schema
from .database import as_os_error, open_writer, scalar, write_rows
from .retention import RecordingLimits, Retention
from .rollup import Rollup
from .serialization import pack_histograms, pack_snapshot, sample_values
from .state_table_writer import StateWriter
from .tick_data import TickData
from .unfinished_epochs import restored_rollup, unfinished_epochs

__all__ = ["Writer"]

TOTALS_TICKS = 60
"""Number of ticks after which the totals are written again."""

CHECKPOINT_TICKS = 10
"""Number of ticks after which SQLite's write-ahead log is copied into the database file."""

VACUUM_PAGES = 256
"""Maximum number of free database pages returned to the file system at a checkpoint: 1 MiB."""

_SAMPLE = schema.insert("samples", schema.SAMPLE_ROW)
_HISTOGRAMS = schema.insert("histograms", ("level", "epoch", "seq", "packed"))
_EVENT = schema.insert_or_replace("events", schema.EVENT_ROW)
_CONNECTION = schema.insert_or_replace("connections", schema.CONNECTION_ROW)
_OPEN = schema.insert("open_connections", schema.CONNECTION_ROW, replace=True)
_CHANNEL = schema.insert_or_replace("channels", schema.CHANNEL_ROW)
_BLACKBOX = schema.insert("blackboxes", ("epoch", "id", *schema.BLACKBOX), replace=True)
_TOTALS = schema.insert("totals", ("epoch", "seq", "time", "packed"))
_GAP = schema.insert("gaps", ("epoch", "since", "until", "reason"))


class Writer:
    """Writes ticks into a recording. Can be used on any thread, by one thread at a time.

    A recording must have only one Writer; see :class:`rtmon.recording.database.WriteLock`.

    Args:
        path: the recording; created if it does not exist.
        clock: source of time.
        limits: how long and how many rows are kept.
        redaction: which texts are redacted.

    Raises:
        OptionError, FileFormatError, OSError: as :func:`rtmon.recording.database.open_writer`.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        limits: RecordingLimits | None = None,
        redaction: Redaction = KEEP_ALL,
    ) -> None:
        self.path = path
        self._clock = clock
        self._limits = limits or RecordingLimits()
        self._redaction = redaction
        self._db = open_writer(path)
        self._epoch = 0
        self._rollup = Rollup()
        self._states = StateWriter(self._db, 0, redaction)
        self._points: list[tuple[int, Sample, int]] = []
        self._points_of = 0
        self._seq = 0
        self._ended_at = 0.0
        self._since_checkpoint = 0
        with as_os_error(path):
            self._retention = Retention(self._db, self._limits)
            self._finish_epochs()

    def begin(self, node: str, epoch: str) -> None:
        """Begin a new epoch, or continue an epoch that the recording already contains.

        Args:
            node: name of the measured server process.
            epoch: name of the epoch.

        Raises:
            OSError: the file cannot be written now.
        """
        values = (node, epoch, self._clock.time(), self._clock.monotonic())
        with as_os_error(self.path), self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO epochs (node, epoch, wall, monotonic) VALUES (?, ?, ?, ?)",
                values,
            )
            self._epoch = scalar(
                self._db, "SELECT id FROM epochs WHERE node = ? AND epoch = ?", node, epoch
            )
            self._db.execute("UPDATE epochs SET ended = NULL WHERE id = ?", (self._epoch,))
            self._seq, self._ended_at = self._last_tick()
            self._retention.forget_open(self._epoch)
        self._rollup, self._points_of = Rollup(), 0
        self._states = StateWriter(self._db, self._epoch, self._redaction)

    def write(self, frame: TickData) -> None:
        """Write one tick in a transaction. A tick that was written before is ignored.

        Raises:
            OSError: the file cannot be written now, or its write-ahead log is at its maximum size.
        """
        wal = self.path.with_name(f"{self.path.name}-wal")
        with as_os_error(self.path):
            if wal.exists() and wal.stat().st_size > self._limits.log:
                self._checkpoint()
                if wal.stat().st_size > self._limits.log:
                    raise BlockingIOError(
                        11, "a reader keeps the log from being emptied", str(self.path)
                    )
            if frame.sample.seq <= self._seq:
                return
            with self._transaction():
                self._write(frame)
        self._seq, self._ended_at = frame.sample.seq, frame.sample.time
        self._since_checkpoint += 1
        if self._since_checkpoint >= CHECKPOINT_TICKS:
            with as_os_error(self.path):
                self._checkpoint()

    def _write(self, frame: TickData) -> None:
        sample = frame.sample
        if self._seq and sample.seq > self._seq + 1:
            begin = sample.time - sample.elapsed
            self._db.execute(_GAP, (self._epoch, self._ended_at, begin, "ticks were dropped"))
        if self._points_of != sample.seq:  # false when a failed write is repeated
            self._points, self._points_of = self._rollup.add(sample), sample.seq
        for level, point, ticks in self._points:
            self._put_sample(level, point, ticks)
        self._put_events(frame.events)
        self._put_closed(frame.closed)
        write_rows(self._db, _OPEN, self._rows(frame.changed))
        channels = [(self._epoch, *_channel(c)) for c in frame.channels]
        self._retention.insert("channels", _CHANNEL, channels)
        if frame.snapshot is not None and (self._seq == 0 or sample.seq % TOTALS_TICKS == 0):
            packed = pack_snapshot(frame.snapshot)
            snapshot = frame.snapshot
            self._db.execute(_TOTALS, (self._epoch, snapshot.seq, snapshot.time, packed))
        self._states.write(frame)
        self._retention.delete_old(sample.time, sample.seq)

    def end(self, connections: Sequence[ConnectionInfo], *, reached: float | None = None) -> None:
        """End the epoch: write its incomplete last points and the connections that are still open.

        Args:
            connections: the open connections; they stay open in the recording.
            reached: when the epoch ended, Unix seconds; by default the time of the last tick.

        Raises:
            OSError: the file cannot be written now.
        """
        with as_os_error(self.path), self._transaction():
            for level, point, ticks in self._rollup.flush():
                self._put_sample(level, point, ticks)
            self._states.merge_minute(self._seq, self._ended_at)
            write_rows(self._db, _OPEN, self._rows(connections))
            ended = self._ended_at if reached is None else reached
            self._db.execute("UPDATE epochs SET ended = ? WHERE id = ?", (ended, self._epoch))

    def close(self) -> None:
        """Copy the write-ahead log into the database file, delete the log, and close the file.

        Raises:
            OSError: the file cannot be written now.
        """
        with as_os_error(self.path):
            self._checkpoint()
            with contextlib.suppress(sqlite3.OperationalError):  # the file is being read
                # In WAL mode, each later reader would leave an empty log file.
                self._db.execute("PRAGMA journal_mode = DELETE").fetchall()
            self._db.close()

    def abandon(self) -> None:
        """Close the file without writing; committed transactions are kept."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        counts = dict(self._retention.counts)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._retention.counts = counts
            self._states.forget()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _put_sample(self, level: int, sample: Sample, ticks: int) -> None:
        key = (level, self._epoch, sample.seq)
        self._db.execute(_SAMPLE, (*key, ticks, *sample_values(sample)))
        self._db.execute(_HISTOGRAMS, (*key, pack_histograms(sample)))

    def _put_events(self, events: Iterable[Event]) -> None:
        rows = [(self._epoch, *_event(self._redaction.event(event))) for event in events]
        self._retention.insert("events", _EVENT, rows)

    def _put_closed(self, closed: Iterable[ConnectionInfo]) -> None:
        infos = list(closed)
        self._retention.insert("connections", _CONNECTION, self._rows(infos))
        self._db.executemany(
            "DELETE FROM open_connections WHERE epoch = ? AND id = ?",
            [(self._epoch, info.id) for info in infos],
        )
        write_rows(
            self._db,
            _BLACKBOX,
            [
                (self._epoch, info.id, info.traceback, info.last_frames)
                for info in map(self._redaction.connection, infos)
                if info.traceback is not None or info.last_frames is not None
            ],
        )

    def _rows(self, infos: Iterable[ConnectionInfo]) -> list[tuple[Any, ...]]:
        """Return the SQL rows of connections, redacted if the recording has a redaction."""
        if not self._redaction.keeps_all:
            infos = map(self._redaction.connection, infos)
        return [(self._epoch, *_connection(info)) for info in infos]

    def _checkpoint(self) -> None:
        self._since_checkpoint = 0
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()

    def _finish_epochs(self) -> None:
        """Mark epochs as ended whose process was killed before it could write their end."""
        for epoch, node, name in unfinished_epochs(self._db):
            with self._transaction():
                self._epoch = epoch
                for level, point, ticks in restored_rollup(self._db, epoch, node, name).flush():
                    self._put_sample(level, point, ticks)
                seq, time = self._last_tick()
                StateWriter(self._db, epoch, self._redaction).merge_minute(seq, time)
                self._db.execute("UPDATE epochs SET ended = ? WHERE id = ?", (time, epoch))
        self._epoch = 0

    def _last_tick(self) -> tuple[int, float]:
        """Return number and time of the present epoch's last tick; zeros if it has no ticks."""
        found = self._db.execute(
            "SELECT seq, time FROM samples WHERE level = 1 AND epoch = ? ORDER BY seq DESC LIMIT 1",
            (self._epoch,),
        ).fetchone()
        return found or (0, 0.0)


_event = attrgetter(*schema.EVENT_ROW[1:])
_connection = attrgetter(*schema.CONNECTION_ROW[1:])
_channel = attrgetter(*schema.CHANNEL_ROW[1:])
