"""What each channel has done."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Collection
from operator import attrgetter

from ..metrics.columns import CHANNEL, LABELS
from ..metrics.histogram import HistogramRecorder
from ..metrics.records import ChannelInfo

__all__ = ["ChannelStats", "StatsTable"]

_COUNTERS = [column.name for column in CHANNEL if column.name != "channel"]
_SUMS = ("subscribers", "published", "delivered", "dropped", "bytes", "nanoseconds")


class ChannelStats:
    """Counters of one channel, room or of the chat; they only grow, but for ``subscribers``.

    Attributes:
        subscribers: connections that receive it now.
        published: messages published.
        delivered: messages handed to a connection's transport.
        dropped: messages that a connection should have had and that were not handed over.
        bytes: payload bytes handed over: encoded messages, without framing.
        nanoseconds: from a publication's arrival at the fan-out until the last transport had
            it, in sum; whole, so that sums of sums are exact, and never fall.
        fanout_max: the longest of these.
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
        """The same sum in seconds."""
        return self.nanoseconds / 1e9

    def settled(self, messages: int, size: int, handed: bool) -> None:  # noqa: FBT001 - a callback
        """Messages for one connection, of so many bytes together, were handed over or dropped."""
        if handed:
            self.delivered += messages
            self.bytes += size
        else:
            self.dropped += messages

    def took(self, seconds: float) -> None:
        """A message's fan-out took so long."""
        nanoseconds = round(seconds * 1e9)
        self.nanoseconds += nanoseconds
        self.fanout_max = max(self.fanout_max, nanoseconds / 1e9)
        self._recorder.record(seconds)

    def add(self, others: Collection[ChannelStats]) -> None:
        """Count what other channels have done here, too."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + sum(map(attrgetter(name), others)))
        self.fanout_max = max([self.fanout_max, *map(attrgetter("fanout_max"), others)])

    def info(self, channel: str) -> ChannelInfo:
        """The same as a record."""
        return ChannelInfo(channel=channel, **{name: getattr(self, name) for name in _COUNTERS})


class StatsTable:
    """Channel → its stats, bounded: past the bound the longest unused without subscribers go.

    The first channels that there were stay: they have series of their own in :meth:`series`.

    Args:
        capacity: the bound.
        labels: how many of the first channels stay.

    Attributes:
        fanout: how long each fan-out took, whatever the channel.
    """

    def __init__(self, capacity: int, *, labels: int = LABELS) -> None:
        self.fanout = HistogramRecorder()
        self._capacity = capacity
        self._labels = labels
        self._stats: OrderedDict[str, ChannelStats] = OrderedDict()
        self._first: dict[str, ChannelStats] = {}
        self._forgotten = ChannelStats(self.fanout)
        self._lock = threading.Lock()

    def __getitem__(self, channel: str) -> ChannelStats:
        stats = self._stats.get(channel)
        if stats is None:
            if len(self._stats) >= self._capacity:
                self._forget()
            stats = self._stats[channel] = ChannelStats(self.fanout)
            if len(self._first) < self._labels:
                self._first[channel] = stats
        else:
            self._stats.move_to_end(channel)
        return stats

    def as_dict(self) -> dict[str, ChannelStats]:
        """All channels' stats, live, longest unused first."""
        return dict(self._stats)

    def busiest(self, limit: int) -> dict[str, ChannelStats]:
        """Those of so many channels, the ones with the most deliveries."""
        return dict(heapq.nlargest(limit, self._stats.items(), key=lambda item: item[1].delivered))

    def series(self) -> list[ChannelInfo]:
        """What the first channels have done, and all others together, as ``other``.

        However many come and go, there are no more of these, and no counter ever falls: what a
        channel has done that is forgotten stays in ``other``.
        """
        other = ChannelStats(self.fanout)
        with self._lock:
            now = list(self._stats.items())
            rest = [stats for name, stats in now if name not in self._first]
            other.add([self._forgotten, *rest])
        first = [stats.info(name) for name, stats in list(self._first.items())]
        return [*first, other.info("other")]

    def _forget(self) -> None:
        # Many at once, so that a stream of new names does not walk the table for each.
        idle = [
            name
            for name, stats in self._stats.items()
            if stats.subscribers == 0 and name not in self._first
        ]
        gone = idle[: max(1, self._capacity // 10)]
        with self._lock:  # a scrape on another thread must find it in one of the two places
            self._forgotten.add([self._stats.pop(name) for name in gone])
