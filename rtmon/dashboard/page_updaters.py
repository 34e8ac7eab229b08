"""Assign viewers to page updaters.

All viewers of a live feed share one updater. Each viewer of a recording has an updater of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakSet

from ..errors import FeedError
from ..feeds.feed import Feed
from ..recording.recording_feed import RecordingFeed
from .page_updater import PageUpdater

__all__ = ["CROWD", "PageUpdaters"]

CROWD = 500
"""Maximum number of open dashboard pages. A further page is refused with an error message."""


class PageUpdaters:
    """The page updaters of one process.

    Call an instance, on the event loop, to get the page updater for a new viewer. Both creating
    and calling an instance raise the errors below.

    Args:
        make_feed: creates a feed. Called once for a live feed, which all viewers share, and once
            per viewer for a recording.

    Raises:
        RtmonError: the feed cannot be opened.
        OSError: the file of a recording does not exist or cannot be read.
    """

    def __init__(self, make_feed: Callable[[], Feed]) -> None:
        self._make_feed = make_feed
        self._first: Feed | None = make_feed()
        self._own = self._first.capabilities.replay
        self._updater = None if self._own else _started(PageUpdater(self._first))
        self._owned: WeakSet[PageUpdater] = WeakSet()

    def __call__(self) -> PageUpdater:
        """Return the page updater for a new viewer.

        Raises:
            FeedError: the maximum number of pages is open.
        """
        viewers = len(self._owned) if self._updater is None else self._updater.viewers
        if viewers >= CROWD:
            raise FeedError(f"{CROWD} pages of this dashboard are open: close some of them.")
        if self._updater is not None:
            return self._updater
        feed, self._first = self._first or self._make_feed(), None
        updater = _started(PageUpdater(feed, own=True))
        self._owned.add(updater)
        return updater

    @asynccontextmanager
    async def lend(self, at: float | None) -> AsyncIterator[Feed]:
        """Yield a feed for one query, such as that of a download.

        Args:
            at: for a recording, the moment to query, in Unix seconds; None for the end.
        """
        if self._updater is not None:
            yield self._updater.feed
            return
        feed = self._make_feed()
        try:
            if isinstance(feed, RecordingFeed):
                await feed.seek(at)
            yield feed
        finally:
            await feed.aclose()


def _started(updater: PageUpdater) -> PageUpdater:
    # The task outlives the first tab, so it must not inherit that tab's context.
    updater.task = asyncio.get_running_loop().create_task(
        updater.run(), context=contextvars.Context()
    )
    return updater
