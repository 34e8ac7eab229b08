"""Read a server's measurements from its admin listener while simulated users load it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from ..feeds import Feed
from ..feeds.remote_feed import RemoteFeed
from ..metrics.records import Sample

__all__ = ["ServerWatch", "WatchedServer"]

_ANSWERS = 10.0
"""Seconds to wait for the server's first measurements."""

_LAST = 2.5
"""Seconds to wait for the server's last measurements, which it sends once per second."""

_SOON = 1.5
"""Seconds to wait for the server's last measurements after Ctrl-C."""


@dataclass(frozen=True, slots=True)
class WatchedServer:
    """A server's measurements of the time in which simulated users ran.

    Attributes:
        feed: the feed with everything received from the server.
        since: number (``seq``) of the server's last Sample before the run.
        events_since: number (``seq``) of the server's last Event before the run.
    """

    feed: Feed
    since: int
    events_since: int

    @property
    def samples(self) -> list[Sample]:
        """The server's Samples of the run."""
        return self.feed.samples(self.since)

    def total(self, counter: str) -> int | None:
        """Return how much a counter of the server grew during the run; None if it is unknown."""
        known = [n for sample in self.samples if (n := getattr(sample, counter)) is not None]
        return sum(known) if known else None


class ServerWatch:
    """Reads a server's admin listener while simulated users load the server.

    Args:
        address: URL of the admin listener.
        token: the bearer token.

    Raises:
        OptionError: the address is invalid.
    """

    def __init__(self, address: str, *, token: str | None = None) -> None:
        self._feed = RemoteFeed(address, token=token)
        self._since = self._events = 0
        self._epoch = ""

    async def start(self) -> None:
        """Connect, and wait for the server's first measurements.

        Raises:
            FeedError: the server does not answer.
        """
        await self._feed.start()
        await self._feed.complete(_ANSWERS)
        latest = self._feed.latest()
        if latest is not None:
            self._since, self._epoch = latest.seq, latest.epoch
        self._events = max((event.seq for event in self._feed.events()), default=0)

    async def look(self, *, soon: bool) -> WatchedServer:
        """Return the server's measurements since :meth:`start`, if possible up to now.

        Args:
            soon: True to wait a shorter time for the newest measurements, for instance after
                Ctrl-C.
        """
        end = self._feed.now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SOON if soon else _LAST):
                # Poll, because a feed has no asyncio.Event to wait for.
                while not self._heard_of(end):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        latest = self._feed.latest()
        if latest is None or latest.epoch != self._epoch:
            return WatchedServer(self._feed, 0, 0)  # the server was restarted
        return WatchedServer(self._feed, self._since, self._events)

    def _heard_of(self, moment: float) -> bool:
        latest = self._feed.latest()
        return latest is not None and latest.time > moment

    async def close(self) -> None:
        """Disconnect from the admin listener."""
        await self._feed.aclose()
