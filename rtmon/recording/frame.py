"""What a recording is given with each tick, wherever the server runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot

__all__ = ["Frame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One tick.

    Attributes:
        sample: the Sample.
        events: the Events that came with it.
        closed: the connections that ended.
        changed: the open connections to write, already chosen.
        channels: the channels to write.
        snapshot: the totals of the epoch, as of this tick.
    """

    sample: Sample
    events: Iterable[Event] = ()
    closed: Iterable[ConnectionInfo] = ()
    changed: Iterable[ConnectionInfo] = ()
    channels: Iterable[ChannelInfo] = ()
    snapshot: Snapshot | None = None
