"""Requests of a remote feed to its server, and the feed's memory after a server restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from rtmon import Backoff, Monitor, open_feed, serve_admin
from rtmon.errors import FeedError
from rtmon.feeds import wire_format
from rtmon.feeds.connection_details import DETAILS
from rtmon.feeds.memory_queries import RESTARTED
from rtmon.feeds.queries import DetailQuery, GroupQuery, RowsQuery, SeriesQuery
from rtmon.feeds.remote_feed import OLDER_SERVER, RemoteFeed
from rtmon.testing import FakeClock, until

QUICK = Backoff(base=0.01, max=0.02)


def _ticked(ticks: int, *, clock: FakeClock | None = None) -> Monitor:
    """Return a Monitor that has ticked this often, once per second, with one message each time."""
    clock = clock or FakeClock()
    monitor = Monitor(interval=1000, node="n", clock=clock)
    meter = monitor.collector.meter()
    monitor.connection_opened(meter)
    for _ in range(ticks):
        meter.received(10)
        clock.advance(1.0)
        monitor.tick()
    return monitor


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[RemoteFeed]:
    feed = RemoteFeed(url, backoff=QUICK)
    await feed.start()
    await feed.complete()
    try:
        yield feed
    finally:
        await feed.aclose()


async def test_remote_feed_requests_older_points_when_a_query_needs_them() -> None:
    """Remote feed answers queries about the time before its start with the same points as the
    server's own feed.
    """
    monitor = _ticked(3700)
    local = open_feed(monitor)
    async with serve_admin(monitor, port=0) as admin, _reading(admin.url) as feed:
        for query in (
            SeriesQuery(level=10),
            SeriesQuery(level=60),
            SeriesQuery(level=1),
            SeriesQuery(merge=True),
            SeriesQuery(points=400),
        ):
            assert await feed.query(query) == await local.query(query)
        whole = await feed.query(SeriesQuery(level=10, columns=("messages_in",)))
        assert whole.columns["messages_in"] == [10] * 370
    monitor.close()


async def test_remote_feed_keeps_old_chart_points_when_the_server_restarts(
    reserve_port: Callable[[], int],
) -> None:
    """Remote feed keeps the chart points of the server run before a restart, shows a gap after
    them, and marks the connections of that run as closed by a restart.
    """
    clock, port = FakeClock(), reserve_port()
    first = _ticked(25, clock=clock)
    async with serve_admin(first, port=port):
        feed = RemoteFeed(f"127.0.0.1:{port}", backoff=QUICK)
        await feed.start()
        await feed.complete()
    first.close()
    clock.advance(30)
    second = _ticked(15, clock=clock)
    async with serve_admin(second, port=port):
        await until(lambda: feed.status.state == "live")
        series = await feed.query(SeriesQuery(level=10, columns=("messages_in",)))
        assert series.epochs == [first.epoch] * 3 + [second.epoch]
        assert series.columns["messages_in"] == [10, 10, 5, 10]
        assert series.ticks == [10, 10, 5, 10]
        (gap,) = series.gaps
        assert (gap.reason, round(gap.until - gap.since)) == ("the server restarted", 30)
        rows = (await feed.query(RowsQuery())).rows
        assert [(r.epoch, r.record.state, r.record.cause) for r in rows] == [
            (second.epoch, "open", None),
            (first.epoch, "closed", RESTARTED),
        ]
        (group,) = (await feed.query(GroupQuery(by="transport"))).groups
        assert (group.open, group.closed) == (1, 1)
        old = await feed.query(DetailQuery(connection="c1", epoch=first.epoch))
        assert old.info is not None
        assert old.info.messages_in == 25
        assert len(feed.samples()) == 15
        await feed.aclose()
    second.close()


async def test_connection_details_say_that_the_server_is_away() -> None:
    """Remote feed whose server has ended still gives a connection's row, and says for all other
    details that the server is away.
    """
    monitor = _ticked(2)
    async with serve_admin(monitor, port=0) as admin:
        feed = RemoteFeed(admin.url, backoff=Backoff(base=30))
        await feed.start()
        await feed.complete()
    await until(lambda: feed.status.state == "disconnected")
    detail = await feed.query(DetailQuery(connection="c1"))
    assert detail.info is not None
    assert dict(detail.missing) == dict.fromkeys(DETAILS, "the server is away")
    await feed.aclose()
    monitor.close()


async def test_remote_feed_sends_no_request_to_an_older_server() -> None:
    """Remote feed sends no request to a server of an older release, and says which details that
    server cannot give.
    """
    monitor = _ticked(3)
    collector = monitor.collector
    heard: list[object] = []

    async def older(connection: ServerConnection) -> None:
        hello = json.loads(
            wire_format.encode_hello(node="n", epoch=collector.epoch, interval=1.0, reset=False)
        )
        del hello["features"]
        hello["columns"]["connections"].remove("user")
        await connection.send(json.dumps(hello))
        for piece in wire_format.encode_history(
            samples=collector.history.samples()[1:],
            events=[],
            connections=[],
            tables={},
            snapshot=collector.published(),
        ):
            await connection.send(piece, text=True)
        heard.extend([message async for message in connection])

    async with serve(older, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with _reading(f"127.0.0.1:{port}") as feed:
            assert feed.capabilities.limits == [OLDER_SERVER]
            assert not feed.capabilities.details
            assert (await feed.query(SeriesQuery())).seqs == [2, 3]
            detail = await feed.query(DetailQuery(connection="c1"))
            assert set(detail.missing.values()) == {OLDER_SERVER}
    assert heard == []
    monitor.close()


@pytest.mark.parametrize(
    "request_text",
    [
        "x",
        "{}",
        '{"id": 1, "kind": "quit", "query": {}}',
        '{"id": -1, "kind": "detail", "query": {"connection": "c1"}}',
        '{"id": 4294967296, "kind": "coarse", "query": {"before": 1}}',
        '{"id": 1, "kind": "detail", "query": {"connection": 7}}',
        b"\xff",
    ],
)
async def test_admin_listener_closes_with_1003_when_a_request_is_malformed(
    request_text: str | bytes,
) -> None:
    """Admin listener closes a reader with code 1003 when its request is malformed, and goes on
    serving other readers.
    """
    monitor = _ticked(1)
    async with serve_admin(monitor, port=0) as admin, _reading(admin.url) as feed:
        async with connect(f"{admin.url}/feed") as stranger:
            await stranger.send(request_text)
            await stranger.wait_closed()
            assert stranger.close_code == 1003
        detail = await feed.query(DetailQuery(connection="c1"))
        assert detail.info is not None
    monitor.close()


async def test_query_fails_when_the_server_disconnects_before_its_answer() -> None:
    """Table query of a remote feed raises FeedError when the server disconnects before it has
    answered.
    """
    monitor = _ticked(3)
    asked = asyncio.Event()

    async def mute(connection: ServerConnection) -> None:
        await connection.send(
            wire_format.encode_hello(
                node="n",
                epoch=monitor.epoch,
                interval=1.0,
                reset=False,
                features=("requests",),
            ),
            text=True,
        )
        for piece in wire_format.encode_history(
            samples=monitor.collector.history.samples(),
            events=[],
            connections=[],
            tables={},
            snapshot=monitor.collector.published(),
        ):
            await connection.send(piece, text=True)
        await connection.recv()
        asked.set()

    async with serve(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with _reading(f"127.0.0.1:{port}") as feed:
            with pytest.raises(FeedError, match="the connection to the server was lost"):
                await feed.query(DetailQuery(connection="c1"))
            assert asked.is_set()
    monitor.close()
