"""The page updater: it queries a feed once and sends frames to all viewers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rtmon import Monitor
from rtmon.dashboard.page_updater import PageUpdater
from rtmon.dashboard.page_updaters import CROWD, PageUpdaters
from rtmon.errors import FeedError
from rtmon.feeds.feed import Answer
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.queries import Query
from rtmon.testing import FakeClock, until

from .viewer import KeptViewer


class CountedFeed(LocalFeed):
    """A feed that counts its queries."""

    asked = 0

    async def answer(self, query: Query) -> Answer:
        self.asked += 1
        return await super().answer(query)


@pytest_asyncio.fixture
async def updater() -> AsyncIterator[PageUpdater]:
    """A running updater of a Monitor with one connection, which ticks when the test calls it."""
    monitor = Monitor(interval=3600, node="n", clock=FakeClock())
    monitor.connection_opened(monitor.collector.meter())
    monitor.tick()
    updater = PageUpdater(CountedFeed(monitor))
    task = asyncio.create_task(updater.run())
    yield updater
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_viewer_gets_all_points_first_and_then_the_common_frames(
    updater: PageUpdater,
) -> None:
    """A viewer gets all points when it joins, then the same frames as every other."""
    one, other = KeptViewer(), KeptViewer()
    updater.join(one)
    await until(lambda: len(one.all_of("frame")) >= 2)
    updater.join(other)
    await until(lambda: len(other.all_of("frame")) >= 2)
    assert one.all_of("frame")[0]["anew"]
    assert other.all_of("frame")[0]["anew"]
    assert not other.all_of("frame")[1]["anew"]
    assert other.all_of("frame")[1] in one.all_of("frame")
    assert other.all_of("frame")[0]["counts"]["connections"] == 1


async def test_slow_viewer_gets_all_points_when_it_is_ready_again(updater: PageUpdater) -> None:
    """A viewer that is not ready gets no frame; the first one after that has all points."""
    viewer = KeptViewer()
    updater.join(viewer)
    await until(lambda: len(viewer.all_of("frame")) >= 2)
    viewer.ready = False
    held = len(viewer.messages)
    other = KeptViewer()
    updater.join(other)
    await until(lambda: len(other.all_of("frame")) >= 3)
    assert len(viewer.messages) == held
    viewer.ready = True
    await until(lambda: len(viewer.messages) > held)
    assert viewer.all_of("frame")[held]["anew"]


async def test_same_query_of_several_viewers_runs_once_a_tick(updater: PageUpdater) -> None:
    """Rows that several viewers show are queried once, and come with the frame."""
    viewers = [KeptViewer() for _ in range(5)]
    for viewer in viewers:
        updater.join(viewer)
        updater.show(viewer, "connections", {"where": "", "sort": "-opened"})
    await until(lambda: all(viewer.all_of("pane") for viewer in viewers))
    feed = updater.feed
    assert isinstance(feed, CountedFeed)
    assert feed.asked < len(viewers)
    rows = [viewer.all_of("pane")[0]["rows"] for viewer in viewers]
    assert all(row == rows[0] for row in rows)
    assert len(rows[0]) == 1
    await until(lambda: any("pane" in m and "frame" in m for m in viewers[0].messages))


async def test_wrong_query_is_answered_with_the_position_of_its_error(updater: PageUpdater) -> None:
    """A mistake in the query language is answered with a message and a character position."""
    viewer = KeptViewer()
    updater.join(viewer)
    updater.ask(viewer, 7, "connections", {"where": "rtt>fast"})
    await until(lambda: viewer.all_of("value"))
    assert viewer.all_of("answer") == [7]
    assert "fast" in viewer.all_of("value")[0]["error"]
    assert viewer.all_of("value")[0]["position"] == 4


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "x"])
async def test_bound_that_is_no_number_is_ignored(updater: PageUpdater, number: str) -> None:
    """A bound or a count that is no finite number counts as not given."""
    viewer = KeptViewer()
    updater.join(viewer)
    updater.ask(viewer, 1, "range", {"since": number, "points": number})
    await until(lambda: viewer.all_of("value"))
    assert "error" not in viewer.all_of("value")[0]


async def test_page_beyond_the_limit_is_refused() -> None:
    """One process feeds a bounded number of pages; the next one is told to close some."""
    monitor = Monitor(interval=3600, clock=FakeClock())
    updaters = PageUpdaters(lambda: LocalFeed(monitor))
    for _ in range(CROWD):
        updaters().join(KeptViewer())
    with pytest.raises(FeedError, match="close some of them"):
        updaters()
    task = updaters._updater.task if updaters._updater is not None else None
    assert task is not None
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
