"""The data of one tick that is written into a recording, from a local or a remote server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..metrics.labelled_durations import Labels
from ..metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot

__all__ = ["STATES", "TickData"]

STATES = ("addresses", "socketio")
"""Tables of which each tick has the complete present state, at most a few hundred rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickData:
    """The data of one tick that is written into a recording.

    Attributes:
        sample: the tick's Sample.
        events: the Events since the previous tick.
        closed: the connections that closed since the previous tick.
        changed: the open connections to write: for each a ConnectionInfo, or a record with the
            stored columns only.
        channels: the channels to write.
        snapshot: the totals of the epoch up to this tick; None if unknown.
        labels: number of a tick → histogram of durations for each label, for this tick and earlier
            ticks that are not written yet.
        states: name of each of the tables :data:`STATES` → all its rows at this tick.
    """

    sample: Sample
    events: Iterable[Event] = ()
    closed: Iterable[ConnectionInfo] = ()
    changed: Iterable[Any] = ()
    channels: Iterable[ChannelInfo] = ()
    snapshot: Snapshot | None = None
    labels: Mapping[int, Labels] = field(default_factory=dict)
    states: Mapping[str, Sequence[Any]] = field(default_factory=dict)
