"""Percentiles by path, room and message type, and connections by address, in every kind of feed."""

from __future__ import annotations

import pytest

from rtmon import Hub
from rtmon.errors import FeedError
from rtmon.feeds.queries import RowsQuery
from rtmon.metrics.columns import LABELS
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import AddressInfo, Latency
from tests.feeds.rigs import Rig, ready


async def _rows(rig: Rig, table: str, where: str = "") -> list[object]:
    query = RowsQuery(table=table, where=where)  # type: ignore[arg-type]
    return [row.record for row in (await rig.feed.query(query)).rows]


async def test_feed_groups_latencies_by_path_room_and_message_type(rig: Rig) -> None:
    """Monitor feed gives latency percentiles of the last minute by path, room and message type, and
    its latest sample counts the measurements of all groups.
    """
    hub = Hub()
    rig.monitor.measure(hub)
    ada, bob = rig.connection("ada"), rig.connection("bob")
    for seconds, meter in ((0.1, ada), (0.2, bob), (0.2, bob)):
        rig.monitor.collector.rtt(meter, seconds)
        meter.handler.record(seconds)
    hub._parts.broadcast.stats["room:garden"].took(0.5)
    hub.by_type[1].recorder("publication").record(0.5)
    hub.by_type[0].recorder("publish").record(0.01)
    await ready(rig)
    await rig.tick()
    found = await _rows(rig, "latencies")
    told = {
        (r.measure, r.by, r.label): (r.count, round(r.p95 or 0, 2))
        for r in found
        if isinstance(r, Latency)
    }
    assert told == {
        ("rtt", "path", "/ada"): (1, 0.1),
        ("rtt", "path", "/bob"): (2, 0.2),
        ("handler", "path", "/ada"): (1, 0.1),
        ("handler", "path", "/bob"): (2, 0.2),
        ("delivery", "room", "room:garden"): (1, 0.5),
        ("delivery", "type", "publication"): (1, 0.5),
        ("handler", "type", "publish"): (1, 0.01),
    }
    latest = rig.feed.latest()
    assert latest is not None
    assert latest.rtt is not None
    assert latest.handler is not None
    assert (latest.rtt.count, latest.handler.count) == (3, 3)
    assert len(await _rows(rig, "latencies", "measure:rtt")) == 2
    for _ in range(59):
        rig.monitor.tick()
    await rig.tick()
    assert await _rows(rig, "latencies") == []


async def test_feed_groups_paths_above_the_limit_as_other(rig: Rig) -> None:
    """Monitor feed groups the latencies of all paths above the greatest number of paths under the
    label "other".
    """
    for number in range(LABELS + 20):
        meter = rig.monitor.collector.meter()
        meter.path = f"/{number}"
        rig.monitor.connection_opened(meter)
        rig.monitor.collector.rtt(meter, 0.1)
    rig.monitor.tick()
    await ready(rig)
    found = [row for row in await _rows(rig, "latencies") if isinstance(row, Latency)]
    assert len(found) == LABELS + 1
    assert {row.label: row.count for row in found}["other"] == 20


async def test_feed_counts_reconnects_of_an_address_within_a_minute(rig: Rig) -> None:
    """Monitor feed counts a connection as a reconnect when another connection from the same IP
    address ended less than a minute before.
    """
    for wait in (1.0, 1.0, 100.0):
        meter = rig.monitor.collector.meter()
        meter.remote = "192.0.2.7:5000"
        rig.monitor.connection_opened(meter)
        rig.clock.advance(1.0)
        rig.monitor.connection_closed(meter, Ending(close_code=1006))
        rig.clock.advance(wait)
    for _ in range(2):
        meter = rig.monitor.collector.meter()
        meter.remote = "192.0.2.7:5001"
        rig.monitor.connection_opened(meter)
    rig.monitor.tick()
    await ready(rig)
    (row,) = await _rows(rig, "addresses", "address:192.0.2.7")
    assert isinstance(row, AddressInfo)
    assert (row.open, row.peak, row.opened, row.reconnects) == (2, 2, 5, 2)
    assert 0 < row.reconnect_rate < 2 / 60


async def test_sample_counts_closed_connections_by_cause(rig: Rig) -> None:
    """Monitor's sample counts the connections closed in its tick by cause, such as ping timeout
    and reset.
    """
    await ready(rig)
    for cause in ("ping timeout", "ping timeout", "reset", None):
        rig.monitor.connection_closed(rig.connection("x"), Ending(close_code=1006, cause=cause))  # type: ignore[arg-type]
    await rig.tick()
    latest = rig.feed.latest()
    assert latest is not None
    assert (latest.closed, latest.closed_ping_timeout, latest.closed_reset) == (4, 2, 1)
    assert (latest.closed_unknown, latest.closed_normally) == (1, 0)
    await rig.tick()
    again = rig.feed.latest()
    assert again is not None
    assert again.closed_ping_timeout == 0


async def test_remote_feed_says_why_latencies_are_missing() -> None:
    """Remote feed without a connection to the server raises FeedError that says why latencies are
    missing.
    """
    from rtmon.feeds.remote_feed import RemoteFeed

    feed = RemoteFeed("ws://127.0.0.1:1")
    with pytest.raises(FeedError, match="latencies cannot be shown: the server is away"):
        await feed.query(RowsQuery(table="latencies"))
