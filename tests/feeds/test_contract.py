"""The contract that every kind of feed meets: local, remote and recording."""

from __future__ import annotations

import pytest

from rtmon import Hub
from rtmon.feeds import ConnectionQuery
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.meter import Ending
from tests.feeds.rigs import Rig, ready


async def test_feed_is_empty_before_the_first_tick(rig: Rig) -> None:
    """Monitor feed before the first tick answers with empty values, raises nothing, and has the
    status "connecting".
    """
    await ready(rig)
    assert rig.feed.latest() is None
    assert rig.feed.snapshot() is None
    assert rig.feed.samples() == []
    assert rig.feed.events() == []
    assert rig.feed.connections().total == 0
    assert rig.feed.status.state == "connecting"


async def test_feed_has_samples_events_and_connections_from_before_its_start(rig: Rig) -> None:
    """Monitor feed has the samples, events and connections that the Monitor measured before the
    feed started.
    """
    rig.connection("ada", messages_in=3)
    rig.monitor.tick()
    rig.monitor.tick()
    await ready(rig)
    assert [sample.seq for sample in rig.feed.samples()] == [1, 2]
    assert [event.kind for event in rig.feed.events()] == ["opened"]
    (row,) = rig.feed.connections().rows
    assert (row.name, row.messages_in) == ("ada", 3)


async def test_feed_has_exactly_the_values_of_the_monitor(rig: Rig) -> None:
    """Monitor feed has exactly the Monitor's samples, events, rows and totals, with hostile
    names, nulls and large numbers.
    """
    await ready(rig)
    name = "<img src=x onerror=alert(1)>\u2028\x00"
    meter = rig.connection(name, messages_in=1, bytes_in=2**52 + 1)
    rig.monitor.collector.rtt(meter, 0.0123)
    await rig.tick()
    rig.monitor.connection_closed(
        meter,
        Ending(close_code=1006, code_sent=1011, reason_sent="", initiator="local"),
    )
    await rig.tick()
    history = rig.monitor.collector.history
    assert rig.feed.samples() == history.samples()
    assert rig.feed.events() == history.events()
    rows = rig.feed.connections(ConnectionQuery(state=None)).rows
    assert list(rows) == rig.monitor.collector.connections()
    assert rows[0].name == name
    assert rig.feed.snapshot() == rig.monitor.collector.published()


async def test_feed_has_null_in_columns_that_no_probe_measures(rig: Rig) -> None:
    """Monitor feed has null in the columns and histograms that no probe of the server measures."""
    await ready(rig)
    rig.monitor.connection_opened(rig.monitor.collector.meter(probe="asgi"))
    await rig.tick()
    await rig.tick()
    latest, snapshot = rig.feed.latest(), rig.feed.snapshot()
    assert latest is not None
    assert snapshot is not None
    assert latest == rig.monitor.collector.history.latest()
    assert snapshot == rig.monitor.collector.published()
    assert (latest.wire_in, latest.send_queue, latest.rtt, latest.receive) == (None,) * 4
    assert (snapshot.wire_in, snapshot.rtt, latest.handler) == (
        None,
        None,
        HistogramRecorder().take(),
    )


async def test_feed_returns_only_newer_samples_and_events_when_since_is_given(rig: Rig) -> None:
    """Monitor feed returns only the samples and events after the sequence number given as
    ``since``.
    """
    await ready(rig)
    for _ in range(3):
        rig.connection()
        await rig.tick()
    assert [sample.seq for sample in rig.feed.samples(since=1)] == [2, 3]
    assert [event.seq for event in rig.feed.events(since=2)] == [3]


async def test_feed_status_is_live_after_a_tick_and_closed_after_aclose(rig: Rig) -> None:
    """Monitor feed's status is "live" after a tick and "closed" after aclose(), and its last
    sample stays available.
    """
    await ready(rig)
    await rig.tick()
    assert rig.feed.status.state == "live"
    assert rig.feed.status.node == "n"
    await rig.feed.aclose()
    await rig.feed.aclose()
    assert rig.feed.status.state == "closed"
    assert rig.feed.latest() is not None


async def test_feed_clock_follows_the_clock_of_the_server(rig: Rig) -> None:
    """Monitor feed's clock is never behind the time of the newest sample, and less than a minute
    ahead of this time.
    """
    await ready(rig)
    await rig.tick()
    latest = rig.feed.latest()
    assert latest is not None
    assert 0 <= rig.feed.now() - latest.time < 60


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (ConnectionQuery(sort="messages_in"), ["carl", "bob", "ada"]),
        (ConnectionQuery(sort="messages_in", descending=False), ["ada", "bob", "carl"]),
        (ConnectionQuery(sort="rtt", descending=False), ["bob", "ada", "carl"]),
        (ConnectionQuery(sort="rtt"), ["bob", "ada", "carl"]),
        (ConnectionQuery(sort="name", descending=False, offset=1, limit=1), ["bob"]),
        (ConnectionQuery(contains="/A"), ["ada"]),
        (ConnectionQuery(state="closed"), ["dora"]),
        (ConnectionQuery(state=None, sort="name", descending=False, limit=9, offset=3), ["dora"]),
    ],
)
async def test_feed_filters_sorts_and_pages_connections(
    rig: Rig, query: ConnectionQuery, names: list[str]
) -> None:
    """Monitor feed returns the matching connections in the requested order and page, with nulls
    last in both directions.
    """
    rig.connection("ada", messages_in=1)
    bob = rig.connection("bob", messages_in=2)
    rig.monitor.collector.rtt(bob, 0.5)
    rig.connection("carl", messages_in=3)
    rig.monitor.connection_closed(rig.connection("dora"), Ending(close_code=1000))
    rig.monitor.tick()
    await ready(rig)
    page = rig.feed.connections(query)
    assert [row.name for row in page.rows] == names
    by_state = {None: 4, "closed": 1, "open": 3}
    assert page.total == (1 if query.contains else by_state[query.state])


async def test_feed_has_one_row_per_connection_with_its_newest_values(rig: Rig) -> None:
    """Monitor feed has one row per connection, with the connection's newest values."""
    await ready(rig)
    meter = rig.connection("ada")
    await rig.tick()
    meter.messages_in += 7
    meter.mark()
    await rig.tick()
    (row,) = rig.feed.connections().rows
    assert row.messages_in == 7


async def test_feed_has_the_channels_of_the_hub_after_each_tick(rig: Rig) -> None:
    """Monitor feed has the hub's channels with their counts after each tick."""
    hub = Hub()
    rig.monitor.measure(hub)
    stats = hub._parts.broadcast.stats["room:<b>"]
    stats.published = 3
    stats.took(0.25)
    await ready(rig)
    for _ in range(2):
        stats.published += 1
        await rig.tick()
        assert rig.feed.channels() == hub.channels()
    (channel,) = rig.feed.channels()
    assert (channel.channel, channel.published, channel.fanout) == ("room:<b>", 5, 0.25)
