"""Access to the measurements of a hub and of Socket.IO servers, which a Monitor reads on demand."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Protocol

from .histogram import HistogramRecorder
from .labelled_durations import LabelledDurations
from .meter import Meter
from .records import ChannelInfo, SocketIOInfo
from .socketio import SocketIOStats

__all__ = ["Gathering", "Measurable", "Sources", "Tabular"]


class Measurable(Protocol):
    """The interface for reading a hub's measurements, which are computed only on demand."""

    @property
    def fanout(self) -> LabelledDurations:
        """Durations of fan-outs, labelled by room."""

    @property
    def by_type(self) -> Sequence[LabelledDurations]:
        """Durations of handlers and of fan-outs, each labelled by message type."""

    def channels(self, limit: int | None = None) -> Iterable[ChannelInfo]:
        """Return the totals of each channel, or of the ``limit`` busiest channels."""

    def channel_series(self) -> Iterable[ChannelInfo]:
        """Return totals by channel for Prometheus: a bounded number of channels, then ``other``.

        ``other`` has the sums of all further channels. Counters never decrease.
        """

    def places_of(self, meter: Meter) -> Iterable[str] | None:
        """Return the channels and rooms that a connection is in; None if it is not in this hub."""

    def members_of(self, place: str) -> Iterable[Meter]:
        """Return the Meters of the connections in a channel or room."""


class Tabular(Protocol):
    """The interface for reading a Socket.IO probe's measurements, computed only on demand."""

    def rows(self) -> Iterable[SocketIOInfo]:
        """Return a bounded number of rows of the socketio table: namespaces, events and so on."""

    def totals(self) -> SocketIOStats | None:
        """Return the server's totals; None if the probe fails. Counters never decrease."""


class Gathering(Protocol):
    """The interface of a probe whose connections run on threads, which count separately."""

    def gather(self) -> None:
        """Add the threads' counts since the last call to the Meters.

        Called on the thread of the measured event loop.
        """


class Sources:
    """The hub, the Socket.IO servers and the threaded probes that a Monitor reads, if any.

    Attributes:
        fanout: durations of the hub's fan-outs; empty without a hub.
    """

    def __init__(self) -> None:
        self.fanout: HistogramRecorder | LabelledDurations = HistogramRecorder()
        self._hub: Measurable | None = None
        self._socketio: weakref.WeakSet[Tabular] = weakref.WeakSet()
        self._gathered: weakref.WeakSet[Gathering] = weakref.WeakSet()

    def measure(self, hub: Measurable) -> None:
        """Read channels and fan-out durations from a hub."""
        self.fanout, self._hub = hub.fanout, hub

    def end_tick(self) -> None:
        """Reset the hub's durations by message type, which building a Sample does not reset."""
        if self._hub is not None:
            for durations in self._hub.by_type:
                durations.take()

    def hub_durations(self) -> list[LabelledDurations]:
        """Return the labelled durations of the hub; [] without a hub."""
        return [] if self._hub is None else [self._hub.fanout, *self._hub.by_type]

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """Return the hub's channels, or the ``limit`` busiest channels; [] without a hub."""
        return [] if self._hub is None else list(self._hub.channels(limit))

    def places_of(self, meter: Meter) -> list[str] | None:
        """Return the sorted channels and rooms that a connection is in; None if it is in no hub."""
        places = None if self._hub is None else self._hub.places_of(meter)
        return None if places is None else sorted(places)

    def members_of(self, place: str) -> list[Meter] | None:
        """Return the Meters of the connections in a channel or room; None without a hub."""
        return None if self._hub is None else list(self._hub.members_of(place))

    def channel_series(self) -> list[ChannelInfo]:
        """Return totals by channel for Prometheus, see :meth:`Measurable.channel_series`.

        [] without a hub.
        """
        return [] if self._hub is None else list(self._hub.channel_series())

    def gather_from(self, probe: Gathering) -> None:
        """Register a threaded probe, for :meth:`gather`. Only a weak reference is kept."""
        self._gathered.add(probe)

    def gather(self) -> None:
        """Add the counts of all threaded probes to the Meters."""
        for probe in list(self._gathered):
            probe.gather()

    def measure_socketio(self, probe: Tabular) -> None:
        """Read Socket.IO totals from a probe. Only a weak reference to the probe is kept."""
        self._socketio.add(probe)

    @property
    def measures_socketio(self) -> bool:
        """True if a probe of this Monitor measures a Socket.IO server."""
        return bool(self._socketio)

    def socketio(self) -> list[SocketIOInfo]:
        """Return the rows of the socketio table; [] if no Socket.IO server is measured."""
        return [row for probe in list(self._socketio) for row in probe.rows()]

    def socketio_totals(self) -> list[SocketIOStats]:
        """Return the totals of each measured Socket.IO server."""
        totals = [probe.totals() for probe in list(self._socketio)]
        return [stats for stats in totals if stats is not None]
