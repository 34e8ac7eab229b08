"""The page updater queries a feed once and sends the result to all viewers of the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rtmon import Monitor
from rtmon.dashboard.page_updater import PageUpdater
from rtmon.dashboard.page_updater_pool import CROWD, PageUpdaters
from rtmon.errors import FeedError
from rtmon.feeds.feed import Answer
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.queries import Query
from rtmon.testing import FakeClock, until

from .viewer import KeptViewer


class CountedFeed(LocalFeed):
    """A local feed that counts the queries it answers."""

    asked = 0

    async def answer(self, query: Query) -> Answer:
        self.asked += 1
        return await super().answer(query)


@pytest_asyncio.fixture
async def updater() -> AsyncIterator[PageUpdater]:
    """Run an updater of a Monitor with one connection, which ticks only when the test calls
    tick().
    """
    monitor = Monitor(interval=3600, node="n", clock=FakeClock())
    monitor.connection_opened(monitor.collector.meter())
    monitor.tick()
    updater = PageUpdater(CountedFeed(monitor))
    task = asyncio.create_task(updater.run())
    yield updater
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_page_updater_sends_a_new_viewer_all_points_and_then_common_frames(
    updater: PageUpdater,
) -> None:
    """Dashboard page updater sends a new viewer all chart points first, and then the same
    frames as all other viewers.
    """
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


async def test_page_updater_sends_all_points_when_a_slow_viewer_is_ready_again(
    updater: PageUpdater,
) -> None:
    """Dashboard page updater sends no frame to a viewer that is not ready, and all chart points
    once the viewer is ready again.
    """
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


async def test_page_updater_shares_the_result_of_a_query_among_viewers(
    updater: PageUpdater,
) -> None:
    """Dashboard page updater runs the same query of five viewers fewer than five times, and sends
    the resulting rows together with the frame.
    """
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


async def test_page_updater_answers_a_wrong_query_with_the_position_of_its_error(
    updater: PageUpdater,
) -> None:
    """Dashboard page updater answers a wrong query with an error message and the position of
    the mistake.
    """
    viewer = KeptViewer()
    updater.join(viewer)
    updater.ask(viewer, 7, "connections", {"where": "rtt>fast"})
    await until(lambda: viewer.all_of("value"))
    assert viewer.all_of("answer") == [7]
    assert "fast" in viewer.all_of("value")[0]["error"]
    assert viewer.all_of("value")[0]["position"] == 4


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "x"])
async def test_page_updater_ignores_a_range_bound_that_is_not_a_finite_number(
    updater: PageUpdater, number: str
) -> None:
    """Dashboard page updater answers a range request without an error when a bound or the number of
    points is not a finite number.
    """
    viewer = KeptViewer()
    updater.join(viewer)
    updater.ask(viewer, 1, "range", {"since": number, "points": number})
    await until(lambda: viewer.all_of("value"))
    assert "error" not in viewer.all_of("value")[0]


async def test_page_updaters_refuse_a_page_above_the_limit() -> None:
    """Dashboard process that already has the greatest number of pages allowed raises FeedError that
    asks the user to close pages when one more is opened.
    """
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
