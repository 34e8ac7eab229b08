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
    """Counts the queries that it answers."""

    asked = 0

    async def answer(self, query: Query) -> Answer:
        self.asked += 1
        return await super().answer(query)


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[PageUpdater]:
    """A running desk of a Monitor with one connection, which ticks when it is told to."""
    monitor = Monitor(interval=3600, node="n", clock=FakeClock())
    monitor.connection_opened(monitor.collector.meter())
    monitor.tick()
    desk = PageUpdater(CountedFeed(monitor))
    task = asyncio.create_task(desk.run())
    yield desk
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_viewers_get_the_same_frame_with_everything_first(desk: PageUpdater) -> None:
    """A viewer gets all points when it joins, then frames with what is new, as all others do."""
    one, other = KeptViewer(), KeptViewer()
    desk.join(one)
    await until(lambda: len(one.all_of("frame")) >= 2)
    desk.join(other)
    await until(lambda: len(other.all_of("frame")) >= 2)
    assert one.all_of("frame")[0]["anew"]
    assert other.all_of("frame")[0]["anew"]
    assert not other.all_of("frame")[1]["anew"]
    assert other.all_of("frame")[1] in one.all_of("frame")
    assert other.all_of("frame")[0]["counts"]["connections"] == 1


async def test_slow_viewer_gets_everything_when_it_is_ready_again(desk: PageUpdater) -> None:
    """A viewer that is not ready is sent no frame; the first one after that has all points."""
    viewer = KeptViewer()
    desk.join(viewer)
    await until(lambda: len(viewer.all_of("frame")) >= 2)
    viewer.ready = False
    held = len(viewer.messages)
    other = KeptViewer()
    desk.join(other)
    await until(lambda: len(other.all_of("frame")) >= 3)
    assert len(viewer.messages) == held
    viewer.ready = True
    await until(lambda: len(viewer.messages) > held)
    assert viewer.all_of("frame")[held]["anew"]


async def test_same_question_is_answered_once_a_tick(desk: PageUpdater) -> None:
    """Rows that several viewers show are asked for once, and come with the frame."""
    viewers = [KeptViewer() for _ in range(5)]
    for viewer in viewers:
        desk.join(viewer)
        desk.show(viewer, "connections", {"where": "", "sort": "-opened"})
    await until(lambda: all(viewer.all_of("pane") for viewer in viewers))
    feed = desk.feed
    assert isinstance(feed, CountedFeed)
    assert feed.asked < len(viewers)
    rows = [viewer.all_of("pane")[0]["rows"] for viewer in viewers]
    assert all(row == rows[0] for row in rows)
    assert len(rows[0]) == 1
    await until(lambda: any("pane" in m and "frame" in m for m in viewers[0].messages))


async def test_wrong_query_is_told_with_its_place(desk: PageUpdater) -> None:
    """A mistake in the query language comes back as words and the place of the character."""
    viewer = KeptViewer()
    desk.join(viewer)
    desk.ask(viewer, 7, "connections", {"where": "rtt>fast"})
    await until(lambda: viewer.all_of("value"))
    assert viewer.all_of("answer") == [7]
    assert "fast" in viewer.all_of("value")[0]["error"]
    assert viewer.all_of("value")[0]["position"] == 4


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "x"])
async def test_range_of_no_number_is_read_as_no_bound(desk: PageUpdater, number: str) -> None:
    """A bound or a count that is no finite number counts as not given."""
    viewer = KeptViewer()
    desk.join(viewer)
    desk.ask(viewer, 1, "range", {"since": number, "points": number})
    await until(lambda: viewer.all_of("value"))
    assert "error" not in viewer.all_of("value")[0]


async def test_page_beyond_the_crowd_is_told_to_close_some() -> None:
    """There is an end to the pages that one process feeds, and the next one is told so."""
    monitor = Monitor(interval=3600, clock=FakeClock())
    desks = PageUpdaters(lambda: LocalFeed(monitor))
    for _ in range(CROWD):
        desks().join(KeptViewer())
    with pytest.raises(FeedError, match="close some of them"):
        desks()
    task = desks._desk.task if desks._desk is not None else None
    assert task is not None
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
