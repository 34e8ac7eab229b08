"""What a recording is given with each tick, wherever the server runs."""

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
    """One tick.

    Attributes:
        sample: the Sample.
        events: the Events that came with it.
        closed: the connections that ended.
        changed: the open connections to write, already chosen: a ConnectionInfo of each, or a
            record of the columns that are stored.
        channels: the channels to write.
        snapshot: the totals of the epoch, as of this tick.
        labels: durations by label: number of a tick → what each label took in it.
        states: tables that have only a present state: name → its rows.
    """

    sample: Sample
    events: Iterable[Event] = ()
    closed: Iterable[ConnectionInfo] = ()
    changed: Iterable[Any] = ()
    channels: Iterable[ChannelInfo] = ()
    snapshot: Snapshot | None = None
    labels: Mapping[int, Labels] = field(default_factory=dict)
    states: Mapping[str, Sequence[Any]] = field(default_factory=dict)
