"""Write durations by label, and the address and Socket.IO tables, into a recording."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.labelled_durations import RECENT_TICKS, merge_labels
from ..metrics.records import AddressInfo
from ..metrics.redaction import Redaction
from . import schema
from .serialization import pack_labels, pack_records, unpack_labels
from .tick_data import TickData

__all__ = ["StateWriter"]

_LABELS = schema.insert("labels", ("level", "epoch", "seq", "time", "packed"), replace=True)
_STATE = schema.insert("states", ("epoch", "name", "minute", "seq", "time", "packed"), replace=True)


class StateWriter:
    """Writes durations by label, and the states of the address and Socket.IO tables.

    Durations are written for each tick, and merged for each minute. For the address table and the
    Socket.IO table, the last state in each minute is kept.

    Args:
        db: the SQLite connection that writes the recording. The caller must have begun a
            transaction when it calls a method.
        epoch: id of the epoch in the file.
        redaction: which texts are redacted.
    """

    def __init__(self, db: sqlite3.Connection, epoch: int, redaction: Redaction) -> None:
        self._db = db
        self._epoch = epoch
        self._redaction = redaction
        self._written: dict[str, bytes] = {}

    def write(self, frame: TickData) -> None:
        """Write the durations by label and the table states of one tick."""
        seq, time = frame.sample.seq, frame.sample.time
        self._db.executemany(
            _LABELS,
            [
                (1, self._epoch, tick, time, pack_labels(labels))
                for tick, labels in frame.labels.items()
                if labels
            ],
        )
        ends = {-(-tick // RECENT_TICKS) * RECENT_TICKS for tick in (*frame.labels, seq)}
        for end in sorted(ends):
            if end <= seq:
                self.merge_minute(end, time)
        self._write_states(frame.states, seq, time)

    def merge_minute(self, seq: int, time: float) -> None:
        """Merge the labels of all ticks in a tick's minute up to this tick, and write the result.

        Args:
            seq: number of the tick.
            time: time of the tick, Unix seconds.
        """
        begin = (seq - 1) // RECENT_TICKS * RECENT_TICKS
        found = self._db.execute(
            "SELECT packed FROM labels WHERE level = 1 AND epoch = ? AND seq > ? AND seq <= ?",
            (self._epoch, begin, seq),
        ).fetchall()
        if found:
            # If the epoch ended in this minute and was continued, there is an older, partial row.
            self._db.execute(
                "DELETE FROM labels WHERE level = ? AND epoch = ? AND seq > ? AND seq < ?",
                (RECENT_TICKS, self._epoch, begin, seq),
            )
            packed = pack_labels(merge_labels(unpack_labels(each) for (each,) in found))
            self._db.execute(_LABELS, (RECENT_TICKS, self._epoch, seq, time, packed))

    def _write_states(self, states: Mapping[str, Sequence[Any]], seq: int, time: float) -> None:
        for name, records in states.items():
            packed = pack_records([each for each in map(self._redacted, records) if each])
            if packed != self._written.get(name):
                minute = seq // RECENT_TICKS
                self._db.execute(_STATE, (self._epoch, name, minute, seq, time, packed))
                self._written[name] = packed

    def _redacted(self, record: Any) -> Any:
        return self._redaction.address(record) if isinstance(record, AddressInfo) else record

    def forget(self) -> None:
        """Make the next :meth:`write` write all table states. Call this after a rollback."""
        self._written = {}
