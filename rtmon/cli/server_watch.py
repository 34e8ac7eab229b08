"""What a server does while something else is going on, read from its admin listener."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from ..feeds import Feed
from ..feeds.remote_feed import RemoteFeed
from ..metrics.records import Sample

__all__ = ["ServerWatch", "WatchedServer"]

_ANSWERS = 10.0
"""Seconds to wait for the server's first numbers."""

_LAST = 2.5
"""Seconds to wait for its last ones; it tells them once a second."""

_SOON = 1.5
"""The same for somebody who has pressed Ctrl-C."""


@dataclass(frozen=True, slots=True)
class WatchedServer:
    """The server's own view of a run.

    Attributes:
        feed: everything that it told.
        since: its last Sample before the run.
        events_since: its last Event before.
    """

    feed: Feed
    since: int
    events_since: int

    @property
    def samples(self) -> list[Sample]:
        """Its Samples of the run."""
        return self.feed.samples(self.since)

    def total(self, counter: str) -> int | None:
        """By how much a counter increased; None if the server does not know it."""
        known = [n for sample in self.samples if (n := getattr(sample, counter)) is not None]
        return sum(known) if known else None


class ServerWatch:
    """Reads a server's admin listener during a run.

    Args:
        address: of the listener.
        token: what the listener asks for.

    Raises:
        OptionError: it is no address.
    """

    def __init__(self, address: str, *, token: str | None = None) -> None:
        self._feed = RemoteFeed(address, token=token)
        self._since = self._events = 0
        self._epoch = ""

    async def start(self) -> None:
        """Hear where the server stands.

        Raises:
            FeedError: it does not answer.
        """
        await self._feed.start()
        await self._feed.complete(_ANSWERS)
        latest = self._feed.latest()
        if latest is not None:
            self._since, self._epoch = latest.seq, latest.epoch
        self._events = max((event.seq for event in self._feed.events()), default=0)

    async def look(self, *, soon: bool) -> WatchedServer:
        """What it has done since, up to this moment if it says so in time.

        Args:
            soon: whether somebody is waiting for this to end.
        """
        end = self._feed.now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SOON if soon else _LAST):
                # A feed is read, and does not call.
                while not self._heard_of(end):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        latest = self._feed.latest()
        if latest is None or latest.epoch != self._epoch:
            return WatchedServer(self._feed, 0, 0)  # it was restarted, and has begun anew
        return WatchedServer(self._feed, self._since, self._events)

    def _heard_of(self, moment: float) -> bool:
        latest = self._feed.latest()
        return latest is not None and latest.time > moment

    async def close(self) -> None:
        """Read no more."""
        await self._feed.aclose()
