"""The data of one tick that a recording writes, of a local or remote server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..metrics.labelled_durations import Labels
from ..metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot

__all__ = ["STATES", "TickData"]

STATES = ("addresses", "socketio")
"""Tables that have only a present state, of which at most a few hundred rows are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickData:
    """The data of one tick.

    Attributes:
        sample: the Sample.
        events: the Events that came with it.
        closed: the connections that ended.
        changed: the open connections to write, already chosen: a ConnectionInfo of each, or a
            record of the columns that are stored.
        channels: the channels to write.
        snapshot: the totals of the epoch, as of this tick.
        labels: durations by label: number of a tick → the histogram of each label.
        states: tables with only a current state: name → rows.
    """

    sample: Sample
    events: Iterable[Event] = ()
    closed: Iterable[ConnectionInfo] = ()
    changed: Iterable[Any] = ()
    channels: Iterable[ChannelInfo] = ()
    snapshot: Snapshot | None = None
    labels: Mapping[int, Labels] = field(default_factory=dict)
    states: Mapping[str, Sequence[Any]] = field(default_factory=dict)
