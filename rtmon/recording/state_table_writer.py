"""Write durations by label, and the tables that have only a current state."""

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
    """Writes labels of single ticks and of minutes, and a state of each table a minute.

    Args:
        db: the connection that writes; it is in a transaction whenever this is used.
        epoch: id of the epoch.
        redaction: redaction of texts.
    """

    def __init__(self, db: sqlite3.Connection, epoch: int, redaction: Redaction) -> None:
        self._db = db
        self._epoch = epoch
        self._redaction = redaction
        self._written: dict[str, bytes] = {}

    def write(self, frame: TickData) -> None:
        """Write the labels and states of one tick."""
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
        """Write the labels of the minute that a tick is in, as far as they are known.

        Args:
            seq: the number of the tick.
            time: Unix seconds.
        """
        begin = (seq - 1) // RECENT_TICKS * RECENT_TICKS
        found = self._db.execute(
            "SELECT packed FROM labels WHERE level = 1 AND epoch = ? AND seq > ? AND seq <= ?",
            (self._epoch, begin, seq),
        ).fetchall()
        if found:
            # What an earlier end of the epoch has left of this minute is in it.
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
        """Reset after a failed transaction."""
        self._written = {}
