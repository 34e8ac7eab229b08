"""Data of the dashboard pages of one connection, of events and of channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import rtmon
from rtmon.dashboard.channel_chart_history import ChannelHistory
from rtmon.dashboard.pages import PAGES
from rtmon.errors import QueryError
from rtmon.feeds import Feed, open_feed
from rtmon.feeds.queries import MembersQuery
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.testing import until


@pytest.fixture
async def server() -> AsyncIterator[rtmon.Server]:
    """Start a hub with an admin listener; its monitor ticks only when the test calls tick()."""
    monitor = rtmon.Monitor(interval=1000)
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, monitor=monitor, admin=0) as serving:
        yield serving


@pytest.fixture(params=["local", "remote"])
async def feed(request: pytest.FixtureRequest, server: rtmon.Server) -> AsyncIterator[Feed]:
    """Open a feed of that server: local in this process, or remote over its admin listener."""
    feed = open_feed(server.monitor if request.param == "local" else server.admin_url)
    await feed.start()
    if isinstance(feed, RemoteFeed):
        await feed.complete()
    yield feed
    await feed.aclose()


async def _tick(server: rtmon.Server, feed: Feed) -> None:
    seq = server.monitor.tick().sample.seq
    await until(lambda: (latest := feed.latest()) is not None and latest.seq >= seq)


async def _ask(feed: Feed, page: str, **asked: str) -> Any:
    return await PAGES[page](feed, asked)


async def test_connection_page_has_rooms_and_charts_while_open_and_the_cause_once_closed(
    server: rtmon.Server, feed: Feed
) -> None:
    """Page of a connection has rooms, charts and frames while the connection is open, and says
    which side closed the connection once it is closed.
    """
    async with rtmon.connect(server.url, name="ada") as ada:
        await ada.join("garden")
        await _tick(server, feed)
        row = (await _ask(feed, "connections"))["rows"][0]
        where = {"id": row["id"], "epoch": row["epoch"]}
        await _ask(feed, "connection", **where)
        await _tick(server, feed)
        await ada.request("ping")
        await _tick(server, feed)
        page = await _ask(feed, "connection", **where)
        assert page["verdict"].mood == "good"
        assert page["rooms"] == ["chat", "room:garden"]
        assert page["series"]["own_in"][-1] > 0
        assert {"handshake", "in", "out"} <= {entry.kind for entry in page["story"]}
        frames = await _ask(feed, "connection", **where, story="frames")
        assert {entry.group for entry in frames["story"]} == {"frames"}
        assert (await _ask(feed, "connection", **where, form="json"))["record"]["info"][
            "name"
        ] == "ada"
        assert (
            "## Connection ada"
            in (await _ask(feed, "connection", **where, form="report"))["report"]
        )
    await until(lambda: server.monitor.snapshot().open == 0)
    await _tick(server, feed)
    page = await _ask(feed, "connection", **where)
    assert page["verdict"].title == "Closed by the client"
    assert page["story"][0].kind == "end"
    assert page["missing"]["rooms"] == "the connection is closed"


async def test_connection_page_has_no_data_when_the_id_is_unknown(
    server: rtmon.Server, feed: Feed
) -> None:
    """Page of a connection has no connection data and no events when the connection id is
    unknown.
    """
    await _tick(server, feed)
    page = await _ask(feed, "connection", id="c99")
    assert (page["info"], page["events"]) == (None, 0)


@pytest.mark.parametrize("grouped", [{}, {"by": "path"}])
async def test_query_error_quotes_only_the_text_that_the_user_typed(
    feed: Feed, grouped: dict[str, str]
) -> None:
    """Query error of the connections page quotes the user's text without the condition that the
    page adds, such as ``state:open``.
    """
    with pytest.raises(QueryError) as caught:
        await _ask(feed, "connections", where=" colour:red ", **grouped)
    assert caught.value.text == "colour:red"


async def test_events_page_shows_the_latest_name_and_explains_close_codes(
    server: rtmon.Server, feed: Feed
) -> None:
    """Events page shows a connection's latest name in all events of this connection, and explains
    the close code.
    """
    async with rtmon.connect(server.url, name="ada"):
        await _tick(server, feed)
    await until(lambda: server.monitor.snapshot().open == 0)
    await _tick(server, feed)
    page = await _ask(feed, "events")
    at = page["columns"].index("name")
    assert {row["kind"]: row["cells"][at] for row in page["rows"]} == {
        "opened": "ada",
        "closed": "ada",
    }
    closed = next(row for row in page["rows"] if row["kind"] == "closed")
    assert closed["cells"][page["columns"].index("code")] == ["1000 normal", "soft"]
    assert "normal end" in closed["meaning"]
    assert closed["box"]
    assert (await _ask(feed, "events", cause="ping timeout"))["total"] == 0


async def test_held_events_page_keeps_its_rows_and_counts_newer_events(
    server: rtmon.Server, feed: Feed
) -> None:
    """Events page that is held at a moment keeps the events up to this moment and counts the newer
    events.
    """
    async with rtmon.connect(server.url, name="ada"):
        await _tick(server, feed)
        held = {"until": str((await _ask(feed, "events"))["newest"]), "kind": "opened"}
        async with rtmon.connect(server.url, name="bob"):
            await _tick(server, feed)
            page = await _ask(feed, "events", **held)
            assert (page["total"], page["newer"]) == (1, 1)
            later = await _ask(feed, "events", since=held["until"], kind="opened")
            assert [row["cells"][2] for row in later["rows"]] == ["bob"]


async def test_channel_page_lists_totals_and_members(server: rtmon.Server, feed: Feed) -> None:
    """Page of a room lists its totals and members, and has no totals when the room is unknown."""
    async with rtmon.connect(server.url, name="ada") as ada, rtmon.connect(server.url, name="bob"):
        await ada.join("garden")
        await _tick(server, feed)
        page = await _ask(feed, "channel", channel="room:garden")
        assert page["totals"]["subscribers"] == 1
        assert [row["cells"][0] for row in page["members"]["rows"]] == ["ada"]
        table = await _ask(feed, "channels")
        assert "room:garden" in {row["totals"]["channel"] for row in table["rows"]}
        assert (await _ask(feed, "channel", channel="room:none"))["totals"] is None
        chat = await feed.query(MembersQuery(channel="chat", limit=1))
        assert (len(chat.members), chat.total, chat.missing) == (1, 2, "")


async def test_channel_members_include_subscribers_of_a_matching_pattern(
    server: rtmon.Server, feed: Feed
) -> None:
    """Members of a channel include a client that subscribed to a matching pattern."""
    async with rtmon.connect(server.url, name="ada") as ada, ada.subscribe("news.*"):
        await _tick(server, feed)
        found = await feed.query(MembersQuery(channel="channel:news.local"))
        assert [info.name for info in found.members] == ["ada"]


async def test_latency_page_sorts_connections_by_their_p99_round_trip(
    server: rtmon.Server, feed: Feed
) -> None:
    """Latency page lists the connection with the highest p99 round trip first, although its last
    round trip was short.
    """
    async with rtmon.connect(server.url, name="ada"), rtmon.connect(server.url, name="bob"):
        collector = server.monitor.collector
        await _tick(server, feed)
        meters = {meter.name: meter for meter in collector.open_meters()}
        for name, seconds in (("ada", 0.9), ("ada", 0.001), ("bob", 0.2)):
            collector.rtt(meters[name], seconds)
        await _tick(server, feed)
        worst = (await _ask(feed, "latency"))["worst"]
        assert [row["cells"][0] for row in worst["rows"]] == ["ada", "bob"]
        assert worst["sort"] == "-rtt_p99"


async def test_channel_history_has_the_totals_of_each_tick_once(
    server: rtmon.Server, feed: Feed
) -> None:
    """Channel history has a channel's totals at each of three ticks once, although the last tick
    was added to the history twice.
    """
    past = ChannelHistory()
    async with rtmon.connect(server.url, name="ada") as ada, ada.subscribe("news"):
        for _ in range(3):
            await ada.publish("news", "hello")
            await ada.request("ping")
            await _tick(server, feed)
            past.note(feed)
        past.note(feed)
        counts = [each["totals"]["published"] for each in past.of("channel:news")]
        assert (past.epoch, counts) == (server.monitor.epoch, [1, 2, 3])
        assert past.of("channel:none") == []
