"""Details of one connection, which a feed collects while a page shows that connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import rtmon
from rtmon.feeds import Feed, open_feed
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.queries import DetailAnswer, DetailQuery, RowsQuery
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.metrics.connection_series import LOOKED_SECONDS, NOTABLE, POINTS
from rtmon.metrics.redaction import Redaction
from rtmon.testing import FakeClock, until


@pytest.fixture
async def server() -> AsyncIterator[rtmon.Server]:
    """Start a hub with an admin listener; its monitor ticks only when the test calls tick()."""
    monitor = rtmon.Monitor(interval=1000)
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, monitor=monitor, admin=0) as serving:
        yield serving


@pytest.fixture(params=["local", "remote"])
async def feed(request: pytest.FixtureRequest, server: rtmon.Server) -> AsyncIterator[Feed]:
    """Open a feed of that server: local in this process, or remote over its admin listener."""
    source = server.monitor if request.param == "local" else server.admin_url
    feed = open_feed(source)
    await feed.start()
    if isinstance(feed, RemoteFeed):
        await feed.complete()
    yield feed
    await feed.aclose()


async def _tick(server: rtmon.Server, feed: Feed) -> None:
    seq = server.monitor.tick().sample.seq
    await until(lambda: (latest := feed.latest()) is not None and latest.seq >= seq)


async def _ada(server: rtmon.Server, feed: Feed) -> DetailAnswer:
    """Return the details of the connection named "ada", looked up by its id."""
    row = (await feed.query(RowsQuery(where="name:ada"))).rows[0]
    return await feed.query(DetailQuery(connection=row.record.id))


async def test_connection_details_have_headers_rooms_frames_and_chart_points(
    server: rtmon.Server, feed: Feed
) -> None:
    """Connection details have redacted headers, rooms, frames and chart points while the connection
    is open, and no rooms after it has closed.
    """
    headers = {"Authorization": "Bearer secret", "X-Team": "<b>blue</b>"}
    async with rtmon.connect(server.url, name="ada", additional_headers=headers) as ada:
        await ada.join("garden")
        await _tick(server, feed)
        first = await _ada(server, feed)
        await _tick(server, feed)
        before = len((await _ada(server, feed)).series or ())
        await ada.request("ping")
        await _tick(server, feed)
        detail = await _ada(server, feed)
        assert first.headers is not None
        shown = dict(first.headers)
        assert (shown["Authorization"], shown["X-Team"]) == ("…", "<b>blue</b>")
        assert detail.rooms == ["chat", "room:garden"]
        assert detail.frames is not None
        assert any(" in text " in line for line in detail.frames)
        assert detail.series is not None
        assert len(detail.series) == before + 1
        assert detail.series.columns["messages_in"][-1] == 1
        assert detail.missing == {}
    await until(lambda: server.monitor.snapshot().open == 0)
    await _tick(server, feed)
    closed = await _ada(server, feed)
    assert closed.info is not None
    assert closed.info.state == "closed"
    assert closed.rooms is None
    assert closed.missing["rooms"] == "the connection is closed"
    assert closed.headers == first.headers


async def test_connection_details_redact_secret_headers() -> None:
    """Connection details show "…" for the Cookie header and for headers named in the redaction."""
    monitor = rtmon.Monitor(interval=1000)
    headers = {"X-Team": "blue", "Cookie": "a=b"}
    async with (
        rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, monitor=monitor) as server,
        rtmon.connect(server.url, name="ada", additional_headers=headers),
    ):
        monitor.tick()
        feed = LocalFeed(monitor, redaction=Redaction(headers=["x-team"]))
        shown = dict((await _ada(server, feed)).headers or ())
        assert (shown["X-Team"], shown["Cookie"]) == ("…", "…")


def test_chart_points_are_kept_for_busy_and_recently_requested_connections() -> None:
    """Collector keeps a limited number of chart points for each of the busiest connections at all
    times, and for a less busy connection only during the minute after a request.
    """
    clock = FakeClock()
    monitor = rtmon.Monitor(interval=1000, clock=clock)
    meters = [monitor.collector.meter() for _ in range(NOTABLE + 2)]
    for meter in meters:
        monitor.connection_opened(meter)
    quiet, asked = meters[0].id, meters[1].id
    closeups = monitor.collector.closeups

    def run(ticks: int) -> None:
        for _ in range(ticks):
            for meter in meters[2:]:
                meter.received(1)
            clock.advance(1.0)
            monitor.tick()

    run(20)
    closeups.look(asked, clock.monotonic())
    run(30)
    assert closeups.points(quiet) == []
    assert len(closeups.points(asked)) == 29
    assert len(closeups.points(meters[2].id)) >= 30
    run(int(LOOKED_SECONDS))
    assert closeups.points(asked) == []
    run(POINTS)
    assert len(closeups.points(meters[2].id)) == POINTS
    monitor.close()
