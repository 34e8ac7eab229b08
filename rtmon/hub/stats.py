"""Counters of publications and deliveries, for each channel, each room and the chat."""

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
    """Counters of one node since it started, and its current numbers of clients, users and rooms.

    Attributes:
        clients: number of connected clients.
        users: number of users with a client on this node.
        rooms: number of rooms with a member on this node.
        published, delivered, dropped: sums over all channels, rooms and the chat; see
            :class:`ChannelStats`.
        refused: number of refused clients.
    """

    clients: int
    users: int
    rooms: int
    published: int
    delivered: int
    dropped: int
    refused: int


class ChannelStats:
    """Counters of one channel, one room or the chat. All but ``subscribers`` only grow.

    Attributes:
        subscribers: number of connections that receive its publications now.
        published: number of publications.
        delivered: number of messages handed to the transports of connections.
        dropped: number of messages that a slow consumer's connection dropped instead.
        bytes: payload bytes of the delivered messages, without framing.
        nanoseconds: sum of the fan-out durations. A fan-out lasts from the arrival of a publication
            until the last transport has it. As an integer, the sum is exact and never falls.
        fanout_max: duration of the longest fan-out, in seconds.
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
        """Sum of the fan-out durations, in seconds."""
        return self.nanoseconds / 1e9

    def settled(self, messages: int, size: int, handed: bool) -> None:  # noqa: FBT001 - a callback
        """Count messages to one connection as delivered or dropped.

        Args:
            messages: number of messages.
            size: their total size in bytes.
            handed: True if they were handed to the transport, False if they were dropped.
        """
        if handed:
            self.delivered += messages
            self.bytes += size
        else:
            self.dropped += messages

    def took(self, seconds: float) -> None:
        """Record the duration of one fan-out, in seconds."""
        nanoseconds = round(seconds * 1e9)
        self.nanoseconds += nanoseconds
        self.fanout_max = max(self.fanout_max, nanoseconds / 1e9)
        self._recorder.record(seconds)

    def add(self, others: Collection[ChannelStats]) -> None:
        """Add the counters of other channels to these."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + sum(map(attrgetter(name), others)))
        self.fanout_max = max([self.fanout_max, *map(attrgetter("fanout_max"), others)])

    def info(self, channel: str) -> ChannelInfo:
        """Return the counters as a record."""
        return ChannelInfo(channel=channel, **{name: getattr(self, name) for name in _COUNTERS})


class StatsTable:
    """Counters of channels, rooms and the chat, for a bounded number of them.

    Above the capacity, the least recently used ones without subscribers are removed. The
    ``labels`` ones that were used first are never removed, because each has its own
    series in :meth:`series`.

    Args:
        capacity: maximum number of rooms and channels.
        labels: number of rooms and channels that are never removed: those that were used first.

    Attributes:
        fanout: fan-out durations, by channel, room or chat.
        fanout_by_type: the same durations, by message type.
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
        """Return the live counters of all rooms and channels, the least recently used first."""
        return dict(self._stats)

    def busiest(self, limit: int) -> dict[str, ChannelStats]:
        """Return the counters of the ``limit`` rooms and channels with the most deliveries."""
        return dict(heapq.nlargest(limit, self._stats.items(), key=lambda item: item[1].delivered))

    def series(self) -> list[ChannelInfo]:
        """Return the counters of the rooms and channels that were used first, and of all others.

        All others are summed into one record with the name ``other``. So the number of series is
        bounded. The sum includes removed rooms and channels, so no counter ever falls.
        """
        other = ChannelStats(self.fanout.unlabelled)
        with self._lock:
            now = list(self._stats.items())
            rest = [stats for name, stats in now if name not in self._first]
            other.add([self._forgotten, *rest])
        first = [stats.info(name) for name, stats in list(self._first.items())]
        return [*first, other.info("other")]

    def _forget(self) -> None:
        # Remove many entries in one go. Otherwise each new channel would cause a search of the
        # whole table.
        """Remove the least recently used rooms and channels. Add their counters to ``other``."""
        idle = [
            name
            for name, stats in self._stats.items()
            if stats.subscribers == 0 and name not in self._first
        ]
        gone = idle[: max(1, self._capacity // 10)]
        with self._lock:  # a scrape on another thread must not miss the removed counters
            self._forgotten.add([self._stats.pop(name) for name in gone])
