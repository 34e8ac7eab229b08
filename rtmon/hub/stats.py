"""Counters of each channel, room and of the chat."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter

from ..metrics.columns import CHANNEL, LABELS
from ..metrics.histogram import HistogramRecorder
from ..metrics.labelled_durations import LabelledDurations
from ..metrics.records import ChannelInfo

__all__ = ["ChannelStats", "HubStats", "StatsTable"]

_COUNTERS = [column.name for column in CHANNEL if column.name != "channel"]
_SUMS = ("subscribers", "published", "delivered", "dropped", "bytes", "nanoseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStats:
    """What one node has now, and what it has done since it began.

    Attributes:
        clients: clients that are connected.
        users: users that have a client here.
        rooms: rooms that have a member here.
        published, delivered, dropped: publications to all channels, rooms and the chat; see
            :class:`ChannelStats`.
        refused: clients that were refused.
    """

    clients: int
    users: int
    rooms: int
    published: int
    delivered: int
    dropped: int
    refused: int


class ChannelStats:
    """Counters of one place; all but ``subscribers`` only grow.

    Attributes:
        subscribers: connections that receive its publications now.
        published: messages published.
        delivered: messages handed to a connection's transport.
        dropped: messages for a connection that were not handed to its transport.
        bytes: payload bytes handed over: encoded messages, without framing.
        nanoseconds: sum of all fan-outs, each from a publication's arrival until the last
            transport has it; an integer, so that sums are exact and never fall.
        fanout_max: the longest fan-out, in seconds.
    """

    __slots__ = (
        "_recorder",
        "bytes",
        "delivered",
        "dropped",
        "fanout_max",
        "nanoseconds",
        "published",
        "subscribers",
    )

    def __init__(self, recorder: HistogramRecorder) -> None:
        self._recorder = recorder
        self.subscribers = 0
        self.published = 0
        self.delivered = 0
        self.dropped = 0
        self.bytes = 0
        self.nanoseconds = 0
        self.fanout_max = 0.0

    @property
    def fanout(self) -> float:
        """Sum of all fan-outs in seconds."""
        return self.nanoseconds / 1e9

    def settled(self, messages: int, size: int, handed: bool) -> None:  # noqa: FBT001 - a callback
        """Count messages for one connection as delivered or dropped; ``size`` is their total."""
        if handed:
            self.delivered += messages
            self.bytes += size
        else:
            self.dropped += messages

    def took(self, seconds: float) -> None:
        """Record the duration of one fan-out."""
        nanoseconds = round(seconds * 1e9)
        self.nanoseconds += nanoseconds
        self.fanout_max = max(self.fanout_max, nanoseconds / 1e9)
        self._recorder.record(seconds)

    def add(self, others: Collection[ChannelStats]) -> None:
        """Add the counters of other channels."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + sum(map(attrgetter(name), others)))
        self.fanout_max = max([self.fanout_max, *map(attrgetter("fanout_max"), others)])

    def info(self, channel: str) -> ChannelInfo:
        """Return the counters as a record."""
        return ChannelInfo(channel=channel, **{name: getattr(self, name) for name in _COUNTERS})


class StatsTable:
    """Channel → its counters, for a bounded number of channels.

    Past the bound, the longest unused channels without subscribers are forgotten. The first
    channels stay: they have a series each in :meth:`series`.

    Args:
        capacity: channels to keep.
        labels: how many of the first channels stay.

    Attributes:
        fanout: durations of the fan-outs of all channels.
        fanout_by_type: the same durations, by the type of what was published.
    """

    def __init__(self, capacity: int, *, labels: int = LABELS) -> None:
        self.fanout = LabelledDurations("delivery", "room")
        self.fanout_by_type = LabelledDurations("delivery", "type")
        self._capacity = capacity
        self._labels = labels
        self._stats: OrderedDict[str, ChannelStats] = OrderedDict()
        self._first: dict[str, ChannelStats] = {}
        self._forgotten = ChannelStats(self.fanout.unlabelled)
        self._lock = threading.Lock()

    def __getitem__(self, channel: str) -> ChannelStats:
        stats = self._stats.get(channel)
        if stats is None:
            if len(self._stats) >= self._capacity:
                self._forget()
            stats = self._stats[channel] = ChannelStats(self.fanout.recorder(channel))
            if len(self._first) < self._labels:
                self._first[channel] = stats
        else:
            self._stats.move_to_end(channel)
        return stats

    def as_dict(self) -> dict[str, ChannelStats]:
        """Return the live counters of all channels, longest unused first."""
        return dict(self._stats)

    def busiest(self, limit: int) -> dict[str, ChannelStats]:
        """Return the counters of the ``limit`` channels with the most deliveries."""
        return dict(heapq.nlargest(limit, self._stats.items(), key=lambda item: item[1].delivered))

    def series(self) -> list[ChannelInfo]:
        """Return the counters of the first channels, and of all others together as ``other``.

        The number of series is bounded, and no counter ever falls: ``other`` includes the
        channels that were forgotten.
        """
        other = ChannelStats(self.fanout.unlabelled)
        with self._lock:
            now = list(self._stats.items())
            rest = [stats for name, stats in now if name not in self._first]
            other.add([self._forgotten, *rest])
        first = [stats.info(name) for name, stats in list(self._first.items())]
        return [*first, other.info("other")]

    def _forget(self) -> None:
        # Forget many at once, so that not each new name walks the table.
        idle = [
            name
            for name, stats in self._stats.items()
            if stats.subscribers == 0 and name not in self._first
        ]
        gone = idle[: max(1, self._capacity // 10)]
        with self._lock:  # a scrape on another thread must find each channel in one of the two
            self._forgotten.add([self._stats.pop(name) for name in gone])
