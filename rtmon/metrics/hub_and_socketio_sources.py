"""Sources of numbers that a Monitor queries on demand: a hub, and Socket.IO servers."""

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
    """The measurements of a hub, queried only on demand."""

    @property
    def fanout(self) -> LabelledDurations:
        """The durations of fan-outs, by room."""

    @property
    def by_type(self) -> Sequence[LabelledDurations]:
        """The durations of handlers and fan-outs, by message type."""

    def channels(self, limit: int | None = None) -> Iterable[ChannelInfo]:
        """Return the totals of each channel, or of the busiest ones."""

    def channel_series(self) -> Iterable[ChannelInfo]:
        """Return a bounded number of channels, then the rest as ``other``; counters never fall."""

    def places_of(self, meter: Meter) -> Iterable[str] | None:
        """The channels and rooms that a connection is in; None if it is not one of the hub's."""

    def members_of(self, place: str) -> Iterable[Meter]:
        """The connections that get what is published to a channel or room."""


class Tabular(Protocol):
    """The measurements of a Socket.IO server's probe, queried only on demand."""

    def rows(self) -> Iterable[SocketIOInfo]:
        """Namespaces, events, rooms and so on: a bounded number."""

    def totals(self) -> SocketIOStats | None:
        """Return the totals behind the rows; counters never fall. None if the probe fails."""


class Gathering(Protocol):
    """What a probe of threads offers: what they have counted is fetched on the measured thread."""

    def gather(self) -> None:
        """Add what was counted since the last call to the meters."""


class Sources:
    """The hub and Socket.IO servers that a Monitor queries, if any.

    Attributes:
        fanout: how long each fan-out of the hub took.
    """

    def __init__(self) -> None:
        self.fanout: HistogramRecorder | LabelledDurations = HistogramRecorder()
        self._hub: Measurable | None = None
        self._socketio: weakref.WeakSet[Tabular] = weakref.WeakSet()
        self._gathered: weakref.WeakSet[Gathering] = weakref.WeakSet()

    def measure(self, hub: Measurable) -> None:
        """Use a hub as the source of channels and fan-out times."""
        self.fanout, self._hub = hub.fanout, hub

    def end_tick(self) -> None:
        """Begin another tick of the labelled durations that are in no Sample."""
        if self._hub is not None:
            for durations in self._hub.by_type:
                durations.take()

    def hub_durations(self) -> list[LabelledDurations]:
        """Durations that a hub records by label; none without a hub."""
        return [] if self._hub is None else [self._hub.fanout, *self._hub.by_type]

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """The channels of the hub, or only the busiest; none without a hub."""
        return [] if self._hub is None else list(self._hub.channels(limit))

    def places_of(self, meter: Meter) -> list[str] | None:
        """The channels and rooms of the hub that a connection is in; None if it is in no hub."""
        places = None if self._hub is None else self._hub.places_of(meter)
        return None if places is None else sorted(places)

    def members_of(self, place: str) -> list[Meter] | None:
        """The connections that get what is published to a place; None without a hub."""
        return None if self._hub is None else list(self._hub.members_of(place))

    def channel_series(self) -> list[ChannelInfo]:
        """A bounded number of channels and the sum of the others; none without a hub."""
        return [] if self._hub is None else list(self._hub.channel_series())

    def gather_from(self, probe: Gathering) -> None:
        """Fetch what the threads of a probe have counted, for as long as it is kept."""
        self._gathered.add(probe)

    def gather(self) -> None:
        """Fetch what threads have counted."""
        for probe in list(self._gathered):
            probe.gather()

    def measure_socketio(self, probe: Tabular) -> None:
        """Use a probe as a source of Socket.IO totals, while it is referenced."""
        self._socketio.add(probe)

    @property
    def measures_socketio(self) -> bool:
        """True if a probe measures a Socket.IO server."""
        return bool(self._socketio)

    def socketio(self) -> list[SocketIOInfo]:
        """Return the rows of Socket.IO servers; empty without one."""
        return [row for probe in list(self._socketio) for row in probe.rows()]

    def socketio_totals(self) -> list[SocketIOStats]:
        """Return the totals of each Socket.IO server; empty without one."""
        totals = [probe.totals() for probe in list(self._socketio)]
        return [stats for stats in totals if stats is not None]
