"""Read the tables channels, latencies, addresses and Socket.IO from a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import QueryError
from ..feeds.queries import Source, Table
from ..metrics.labelled_durations import RECENT_TICKS, latencies
from ..metrics.records import AddressInfo, ChannelInfo, Latency, SocketIOInfo
from .database import reading
from .readonly_file import Epoch, RecordingFile, record
from .serialization import unpack_labels, unpack_records

__all__ = ["StateReader"]

_STATES: Mapping[str, Callable[..., Any]] = {"addresses": AddressInfo, "socketio": SocketIOInfo}


class StateReader:
    """Reads tables whose rows change over time: channels, latencies, addresses and Socket.IO.

    Args:
        file: the opened recording.
    """

    def __init__(self, file: RecordingFile) -> None:
        self._file = file

    @property
    def names(self) -> tuple[Table, ...]:
        """Names of the tables that the recording has; an older rtmon recorded only channels."""
        if self._file.version < 2:
            return ("channels",)
        return "channels", "latencies", "addresses", "socketio"

    def rows(self, table: Table, epoch: Epoch, source: Source) -> Sequence[Any]:
        """Return the rows of a table at a tick. Channels are always in their last recorded state.

        Args:
            table: name of the table.
            epoch: epoch of the tick.
            source: the tick.

        Raises:
            QueryError: the recording does not have the table.
        """
        if table not in self.names:
            raise QueryError(f"{table} are not in this recording, which an older rtmon wrote")
        if table == "channels":
            return self.channels(epoch)
        if table == "latencies":
            return self._latencies(epoch, source.seq)
        return self._state(table, epoch, source.seq)

    def channels(self, epoch: Epoch) -> list[ChannelInfo]:
        """Return the channels of an epoch in their last recorded state."""
        found = self._file.all("SELECT * FROM channels WHERE epoch = ?", epoch.id)
        return [record(ChannelInfo, row) for row in found]

    def socketio(self, epoch: Epoch, source: Source) -> Sequence[SocketIOInfo]:
        """Return the rows of the Socket.IO table at a tick.

        The result is empty if the file was written by an older rtmon, which did not record them.
        """
        return self._state("socketio", epoch, source.seq) if "socketio" in self.names else ()

    def _latencies(self, epoch: Epoch, seq: int) -> list[Latency]:
        """Return percentiles of durations by label, over the minute that ends with a tick.

        If the Samples of single ticks have been deleted, the percentiles are those of a whole
        minute, which ends at most one minute before the tick.
        """
        single = "SELECT 1 FROM samples WHERE level = 1 AND epoch = ? AND seq = ?"
        kept = self._file.one(single, epoch.id, seq)
        found = self._file.all(
            "SELECT packed FROM labels WHERE level = ? AND epoch = ? AND seq > ? AND seq <= ? "
            "ORDER BY seq DESC LIMIT ?",
            *(1 if kept else RECENT_TICKS, epoch.id, seq - RECENT_TICKS, seq),
            RECENT_TICKS if kept else 1,
        )
        with reading(self._file.path):
            return latencies([unpack_labels(packed) for (packed,) in found])

    def _state(self, table: str, epoch: Epoch, seq: int) -> list[Any]:
        found = self._file.all(
            "SELECT packed FROM states WHERE epoch = ? AND name = ? AND seq <= ? "
            "ORDER BY minute DESC LIMIT 1",
            *(epoch.id, table, seq),
        )
        with reading(self._file.path):
            return [each for (packed,) in found for each in unpack_records(_STATES[table], packed)]
