"""Keep recent totals of the busiest channels, for the charts of the channel pages.

With this history, a chart also shows the time before a viewer opened the page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import Any

from ..feeds.feed import Feed
from ..metrics.records import ChannelInfo
from .pages.channels import totals

__all__ = ["ChannelHistory"]

BUSIEST = 50
"""Number of channels recorded at each tick: the ones with the most delivered messages."""

TICKS = 300
"""Maximum number of ticks kept. The oldest tick is deleted first."""


class ChannelHistory:
    """Totals of a feed's busiest channels, at each of the latest ticks of one epoch."""

    def __init__(self) -> None:
        self._epoch = ""
        self._seq = 0
        self._ticks: deque[tuple[float, float, Mapping[str, ChannelInfo]]] = deque(maxlen=TICKS)

    def note(self, feed: Feed) -> None:
        """Record the channels of a feed at its latest tick, unless that tick is recorded."""
        latest, snapshot = feed.latest(), feed.snapshot()
        if latest is None or snapshot is None or latest.seq != snapshot.seq:
            return
        if latest.epoch != self._epoch:
            self._epoch, self._seq = latest.epoch, 0
            self._ticks.clear()
        if latest.seq > self._seq:
            self._seq = latest.seq
            busiest = nlargest(BUSIEST, feed.channels(), key=lambda channel: channel.delivered)
            known = {channel.channel: channel for channel in busiest}
            self._ticks.append((latest.time * 1e3, snapshot.uptime, known))

    def of(self, channel: str) -> Sequence[Mapping[str, Any]]:
        """Return a channel's totals at each recorded tick, oldest first.

        Each entry has the ``time`` (Unix milliseconds), ``uptime`` (seconds) and ``totals`` keys
        that the channel's page reads.
        """
        return [
            {"time": round(time), "uptime": uptime, "totals": totals(known[channel])}
            for time, uptime, known in self._ticks
            if channel in known
        ]

    @property
    def epoch(self) -> str:
        """The server epoch in which the totals were counted."""
        return self._epoch
