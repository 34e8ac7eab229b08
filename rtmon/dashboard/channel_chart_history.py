"""Recent totals of the busiest channels.

With these totals, the charts of a channel's page also show the time before a viewer opened the
page.
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
"""Number of channels recorded at each tick: the channels with the most deliveries."""

TICKS = 300
"""Maximum number of ticks in the history; the oldest tick is deleted first."""


class ChannelHistory:
    """Totals of a feed's busiest channels at each recent tick.

    The history is cleared when the feed's epoch changes, for instance after a server restart.
    """

    def __init__(self) -> None:
        self._epoch = ""
        self._seq = 0
        self._ticks: deque[tuple[float, float, Mapping[str, ChannelInfo]]] = deque(maxlen=TICKS)

    def note(self, feed: Feed) -> None:
        """Store the busiest channels' totals at the feed's last tick, if not stored already."""
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
        """Return a channel's totals at each stored tick, oldest first.

        Each item has the keys ``time`` (milliseconds since 1970), ``uptime`` (seconds) and
        ``totals``. The list omits ticks at which the channel was not among the busiest.
        """
        return [
            {"time": round(time), "uptime": uptime, "totals": totals(known[channel])}
            for time, uptime, known in self._ticks
            if channel in known
        ]

    @property
    def epoch(self) -> str:
        """The epoch of the feed to which the stored totals belong; "" before the first tick."""
        return self._epoch
