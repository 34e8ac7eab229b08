"""What each channel has done."""

from __future__ import annotations

from collections import OrderedDict

from ..metrics.columns import CHANNEL
from ..metrics.histogram import Recorder
from ..metrics.records import ChannelInfo

__all__ = ["ChannelStats", "StatsTable"]

_COUNTERS = [column.name for column in CHANNEL if column.name != "channel"]


class ChannelStats:
    """Counters of one channel, room or of the chat; they only grow, but for ``subscribers``.

    Attributes:
        subscribers: connections that receive it now.
        published: messages published.
        delivered: messages handed to a connection's transport.
        dropped: messages that a connection should have had and that were not handed over.
        bytes: payload bytes handed over: encoded messages, without framing.
        fanout: seconds from a publication's arrival at the fan-out until the last transport
            had it, in sum.
        fanout_max: the longest of these.
    """

    __slots__ = (
        "_recorder",
        "bytes",
        "delivered",
        "dropped",
        "fanout",
        "fanout_max",
        "published",
        "subscribers",
    )

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.subscribers = 0
        self.published = 0
        self.delivered = 0
        self.dropped = 0
        self.bytes = 0
        self.fanout = 0.0
        self.fanout_max = 0.0

    def took(self, seconds: float) -> None:
        """A message's fan-out took so long."""
        self.fanout += seconds
        self.fanout_max = max(self.fanout_max, seconds)
        self._recorder.record(seconds)

    def info(self, channel: str) -> ChannelInfo:
        """The same as a record."""
        return ChannelInfo(channel=channel, **{name: getattr(self, name) for name in _COUNTERS})


class StatsTable:
    """Channel → its stats, bounded: past the bound the longest unused without subscribers go.

    Attributes:
        fanout: how long each fan-out took, whatever the channel.
    """

    def __init__(self, capacity: int) -> None:
        self.fanout = Recorder()
        self._capacity = capacity
        self._stats: OrderedDict[str, ChannelStats] = OrderedDict()

    def __getitem__(self, channel: str) -> ChannelStats:
        stats = self._stats.get(channel)
        if stats is None:
            stats = self._stats[channel] = ChannelStats(self.fanout)
            if len(self._stats) > self._capacity:
                self._forget()
        else:
            self._stats.move_to_end(channel)
        return stats

    def as_dict(self) -> dict[str, ChannelStats]:
        """All channels' stats, live, longest unused first."""
        return dict(self._stats)

    def _forget(self) -> None:
        # Many at once, so that a stream of new names does not walk the table for each.
        idle = [name for name, stats in self._stats.items() if stats.subscribers == 0]
        for name in idle[: max(1, self._capacity // 10)]:
            if len(self._stats) > 1:
                del self._stats[name]
