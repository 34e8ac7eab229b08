"""History of the busiest channels, so that their charts start before a viewer opens them."""

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
"""Channels recorded at each tick: those with the most deliveries."""

TICKS = 300
"""Maximum number of ticks kept."""


class ChannelHistory:
    """Totals of a feed's busiest channels at the last ticks of one epoch."""

    def __init__(self) -> None:
        self._epoch = ""
        self._seq = 0
        self._ticks: deque[tuple[float, float, Mapping[str, ChannelInfo]]] = deque(maxlen=TICKS)

    def note(self, feed: Feed) -> None:
        """Record the channels as of a feed's last tick, if that is new."""
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
        """Return a channel's totals at each tick, oldest first, in the form of its page."""
        return [
            {"time": round(time), "uptime": uptime, "totals": totals(known[channel])}
            for time, uptime, known in self._ticks
            if channel in known
        ]

    @property
    def epoch(self) -> str:
        """The epoch of the totals."""
        return self._epoch
