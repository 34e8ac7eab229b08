"""Assigns each new viewer to a page updater.

All viewers of a live feed share one page updater. Each viewer of a recording has a separate one.
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
"""Maximum number of open pages in a process. A further page gets an error message."""


class PageUpdaters:
    """The page updaters of one process.

    Call the object on the event loop to get the page updater for a new viewer.

    Args:
        make_feed: creates a feed. For a live feed it is called once, and all viewers share the
            feed. For a recording it is called for each viewer.

    Raises:
        RtmonError: the feed cannot be opened. A call of the object can also raise this error.
        OSError: the recording cannot be read. A call of the object can also raise this error.
    """

    def __init__(self, make_feed: Callable[[], Feed]) -> None:
        self._make_feed = make_feed
        self._first: Feed | None = make_feed()
        self._own = self._first.capabilities.replay
        self._updater = None if self._own else _started(PageUpdater(self._first))
        self._owned: WeakSet[PageUpdater] = WeakSet()

    def __call__(self) -> PageUpdater:
        """Return the page updater for a new viewer; for a recording, create and start a new one.

        Raises:
            FeedError: :data:`CROWD` pages are open already.
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
        """Provide a feed inside an ``async with`` block, for one query.

        Args:
            at: for a recording, the time to query, in Unix seconds; None for the recording's end.
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
    # The task may outlive the browser tab that caused its start. So it gets an empty context,
    # instead of the context variables of that tab's session.
    updater.task = asyncio.get_running_loop().create_task(
        updater.run(), context=contextvars.Context()
    )
    return updater
