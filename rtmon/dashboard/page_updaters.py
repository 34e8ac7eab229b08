"""Assign viewers to page updaters: one for all, or one for each viewer of a recording."""

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
"""Maximum number of pages; a further viewer is asked to close some."""


class PageUpdaters:
    """The page updaters of one process; call it on the loop for that of a new viewer.

    Args:
        make_feed: creates the feed that all viewers share, or the feed of each viewer if it is a
            recording.

    Raises:
        RtmonError: the feed cannot be opened. Calling it may raise this, too.
        OSError: the file of a recording is not there or cannot be read; so may calling it.
    """

    def __init__(self, make_feed: Callable[[], Feed]) -> None:
        self._make_feed = make_feed
        self._first: Feed | None = make_feed()
        self._own = self._first.capabilities.replay
        self._updater = None if self._own else _started(PageUpdater(self._first))
        self._owned: WeakSet[PageUpdater] = WeakSet()

    def __call__(self) -> PageUpdater:
        """Return the page updater for a new viewer; one of a single viewer ends with it."""
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
        """Return a feed for one query.

        Args:
            at: the moment of a recording, Unix seconds; None for its end.
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
