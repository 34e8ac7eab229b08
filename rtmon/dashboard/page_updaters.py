"""Gives each viewer a desk: all the same one, or one each where each looks at another time."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakSet

from ..errors import FeedError
from ..feeds.feed import Feed
from ..recording.feed import RecordingFeed
from .page_updater import PageUpdater

__all__ = ["CROWD", "PageUpdaters"]

CROWD = 500
"""Pages that are fed at once; a further one is told to close some of them."""


class PageUpdaters:
    """The desks of one process; call it for the desk of another viewer, on the loop.

    Args:
        make_feed: makes the feed, which all viewers share. Where its time can be moved it makes
            one for each viewer.

    Raises:
        RtmonError: there is nothing to show. Calling it may raise this, too.
        OSError: the file of a recording is not there or cannot be read; so may calling it.
    """

    def __init__(self, make_feed: Callable[[], Feed]) -> None:
        self._make_feed = make_feed
        self._first: Feed | None = make_feed()
        self._own = self._first.capabilities.replay
        self._desk = None if self._own else _started(PageUpdater(self._first))
        self._owned: WeakSet[PageUpdater] = WeakSet()

    def __call__(self) -> PageUpdater:
        """Return the desk for a new viewer; a desk of one viewer ends when the viewer leaves."""
        viewers = len(self._owned) if self._desk is None else self._desk.viewers
        if viewers >= CROWD:
            raise FeedError(f"{CROWD} pages of this dashboard are open: close some of them.")
        if self._desk is not None:
            return self._desk
        feed, self._first = self._first or self._make_feed(), None
        desk = _started(PageUpdater(feed, own=True))
        self._owned.add(desk)
        return desk

    @asynccontextmanager
    async def lend(self, at: float | None) -> AsyncIterator[Feed]:
        """Lend a feed for one question.

        Args:
            at: the moment at which that of a recording stands, Unix seconds; None for its end.
        """
        if self._desk is not None:
            yield self._desk.feed
            return
        feed = self._make_feed()
        try:
            if isinstance(feed, RecordingFeed):
                await feed.seek(at)
            yield feed
        finally:
            await feed.aclose()


def _started(desk: PageUpdater) -> PageUpdater:
    # The task outlives the tab that came first, so it must not inherit that tab's context.
    desk.task = asyncio.get_running_loop().create_task(desk.run(), context=contextvars.Context())
    return desk
