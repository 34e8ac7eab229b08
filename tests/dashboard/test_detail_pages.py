"""Data of the pages of one connection, of events and of channels."""

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
    """A hub with an admin listener, which ticks only when the test calls it."""
    monitor = rtmon.Monitor(interval=1000)
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, monitor=monitor, admin=0) as serving:
        yield serving


@pytest.fixture(params=["local", "remote"])
async def feed(request: pytest.FixtureRequest, server: rtmon.Server) -> AsyncIterator[Feed]:
    """A feed of that server, in this process or over its admin listener."""
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


async def test_connection_page_follows_a_connection_to_its_end(
    server: rtmon.Server, feed: Feed
) -> None:
    """An open connection has rooms, headers and charts from the first request on; a closed one,
    its end and the side that closed first.
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


async def test_connection_page_says_that_a_connection_is_unknown(
    server: rtmon.Server, feed: Feed
) -> None:
    """The page of an unknown id has no row and no numbers."""
    await _tick(server, feed)
    page = await _ask(feed, "connection", id="c99")
    assert (page["info"], page["events"]) == (None, 0)


@pytest.mark.parametrize("grouped", [{}, {"by": "path"}])
async def test_wrong_query_is_quoted_as_the_user_typed_it(
    feed: Feed, grouped: dict[str, str]
) -> None:
    """The condition that the page adds, such as ``state:open``, is not in the message."""
    with pytest.raises(QueryError) as caught:
        await _ask(feed, "connections", where=" colour:red ", **grouped)
    assert caught.value.text == "colour:red"


async def test_events_have_the_connections_latest_name_and_explained_codes(
    server: rtmon.Server, feed: Feed
) -> None:
    """The Event of the opening has the name that the connection got later."""
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


async def test_held_events_stay_and_newer_ones_are_counted(
    server: rtmon.Server, feed: Feed
) -> None:
    """A page on hold keeps its rows, and counts the new ones."""
    async with rtmon.connect(server.url, name="ada"):
        await _tick(server, feed)
        held = {"until": str((await _ask(feed, "events"))["newest"]), "kind": "opened"}
        async with rtmon.connect(server.url, name="bob"):
            await _tick(server, feed)
            page = await _ask(feed, "events", **held)
            assert (page["total"], page["newer"]) == (1, 1)
            later = await _ask(feed, "events", since=held["until"], kind="opened")
            assert [row["cells"][2] for row in later["rows"]] == ["bob"]


async def test_channel_page_lists_the_members(server: rtmon.Server, feed: Feed) -> None:
    """A room has its totals and its connections; an unknown one has no totals."""
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


async def test_members_of_a_channel_include_subscribers_by_pattern(
    server: rtmon.Server, feed: Feed
) -> None:
    """A subscriber of a matching pattern is listed, since it gets the channel's messages."""
    async with rtmon.connect(server.url, name="ada") as ada, ada.subscribe("news.*"):
        await _tick(server, feed)
        found = await feed.query(MembersQuery(channel="channel:news.local"))
        assert [info.name for info in found.members] == ["ada"]


async def test_slowest_member_comes_first_when_its_last_ping_was_quick(
    server: rtmon.Server, feed: Feed
) -> None:
    """Slow members are found by the p99 of their round trips, not by the last one."""
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


async def test_busy_channel_has_a_history_before_its_page_is_opened(
    server: rtmon.Server, feed: Feed
) -> None:
    """Its totals at each tick are there at the first request; a tick without publications adds
    none.
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
