"""What a Monitor does not count itself, but asks for where somebody looks."""

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
    """What a hub offers to be measured; it is asked only where somebody looks."""

    @property
    def fanout(self) -> LabelledDurations:
        """Where it records how long each fan-out took, by room."""

    @property
    def by_type(self) -> Sequence[LabelledDurations]:
        """Where it records how long handlers and fan-outs took, by the type of the message."""

    def channels(self, limit: int | None = None) -> Iterable[ChannelInfo]:
        """What each of its channels has done, or each of so many of the busiest."""

    def channel_series(self) -> Iterable[ChannelInfo]:
        """A bounded number of channels, then ``other``, all the rest; no counter ever falls."""

    def places_of(self, meter: Meter) -> Iterable[str] | None:
        """The channels and rooms that a connection is in; None if it is not one of the hub's."""

    def members_of(self, place: str) -> Iterable[Meter]:
        """The connections that get what is published to a channel or room."""


class Tabular(Protocol):
    """What a probe of a Socket.IO server offers; it is asked only where somebody looks."""

    def rows(self) -> Iterable[SocketIOInfo]:
        """Namespaces, events, rooms and so on: a bounded number."""

    def totals(self) -> SocketIOStats | None:
        """What the rows are made of; no counter ever falls. None where the probe fails."""


class Gathering(Protocol):
    """What a probe of threads offers: what they have counted is fetched on the measured thread."""

    def gather(self) -> None:
        """Add what was counted since the last call to the meters."""


class Sources:
    """A hub and Socket.IO servers, as far as there are any.

    Attributes:
        fanout: how long each fan-out of the hub took.
    """

    def __init__(self) -> None:
        self.fanout: HistogramRecorder | LabelledDurations = HistogramRecorder()
        self._hub: Measurable | None = None
        self._socketio: weakref.WeakSet[Tabular] = weakref.WeakSet()
        self._gathered: weakref.WeakSet[Gathering] = weakref.WeakSet()

    def measure(self, hub: Measurable) -> None:
        """Have fan-out times and what is told of channels come from a hub."""
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
        """Have what is particular to Socket.IO come from a probe, for as long as it is kept."""
        self._socketio.add(probe)

    @property
    def measures_socketio(self) -> bool:
        """True if a probe measures a Socket.IO server."""
        return bool(self._socketio)

    def socketio(self) -> list[SocketIOInfo]:
        """What Socket.IO servers did; none without one."""
        return [row for probe in list(self._socketio) for row in probe.rows()]

    def socketio_totals(self) -> list[SocketIOStats]:
        """What each Socket.IO server has done so far; none without one."""
        totals = [probe.totals() for probe in list(self._socketio)]
        return [stats for stats in totals if stats is not None]
