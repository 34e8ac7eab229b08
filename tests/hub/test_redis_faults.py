"""Redis that comes back empty, is full, or carries what no node has published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rtmon
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.hub.brokers.redis_message_parsing import NodeMessage
from rtmon.testing import FaultProxy, until
from tests.hub.conftest import Place
from tests.hub.nodes import Nodes
from tests.hub.redis_server import RedisServer


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """Hubs that share a Redis."""
    async with Nodes.opened() as opened:
        yield opened


def broker_of(place: Place) -> RedisBroker:
    """The broker of a node."""
    assert isinstance(place.hub.context.broker, RedisBroker)
    return place.hub.context.broker


# A new life


async def test_node_that_returns_late_delivers_the_new_history_after_a_gap(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """When Redis has come back empty, a node that was away longer reports a gap, then delivers
    all publications acknowledged meanwhile, in channels, rooms and the chat.
    """
    here = await nodes.open(own_redis.url, history=1_000)
    async with FaultProxy(f"ws://127.0.0.1:{own_redis.port}") as proxy:
        there = await nodes.open(f"redis://127.0.0.1:{proxy.port}/0", history=1_000)
        ada, bo = await here.connect("ada"), await there.connect("bo")
        for client in (ada, bo):
            await client.ask("join_room", {"room": "tea"})
            await client.ask("subscribe", {"channel": "news"})
        await bo.ask("subscribe", {"channel": "*"})
        async with rtmon.connect(there.url, proxy=None) as client, client.subscribe("news") as news:
            await here.hub.publish("news", "old")
            assert (await anext(news)).payload == "old"
            await bo.next("publication")
            proxy.refusing = True
            proxy.cut()
            await until(lambda: there.hub.away is not None)
            own_redis.stop()
            await until(lambda: here.hub.away is not None)
            own_redis.start()
            await until(lambda: here.hub.away is None)
            for number in range(300):
                await here.hub.publish("news", number)
            await ada.ask("room_message", {"room": "tea", "text": "in the room", "ack": True})
            await ada.ask("chat_message", {"text": "to all", "ack": True})
            proxy.calm()
            await until(lambda: there.hub.away is None)
            await here.hub.publish("news", "last")
            heard = [await anext(news) for _ in range(301)]
            assert [message.payload for message in heard] == [*range(300), "last"]
            assert [message.gap for message in heard] == [True, *[False] * 300]
        said: list[dict[str, Any]] = []
        while not said or said[-1]["payload"].get("data") != "last":
            said.append(await bo.wait(lambda _: True))
        assert {m["payload"].get("text") for m in said} >= {"in the room", "to all"}
        news_only = [m for m in said if m["payload"].get("channel") in {"news", "*"}]
        assert [m["type"] for m in news_only] == ["gap", "gap", *["publication"] * 301]
        await nodes.places.pop().aclose()


async def test_node_does_not_deliver_publications_of_a_restored_copy_again(
    nodes: Nodes, redis: RedisServer
) -> None:
    """When a new epoch begins on an older copy, only publications of that epoch follow the gap."""
    here = await nodes.open(redis.url)
    async with FaultProxy(f"ws://127.0.0.1:{redis.port}") as proxy:
        there = await nodes.open(f"redis://127.0.0.1:{proxy.port}/0")
        bo = await there.connect("bo")
        await bo.ask("subscribe", {"channel": "news"})
        for number in (1, 2):
            await here.hub.publish("news", number)
        assert await bo.published(2) == [1, 2]
        proxy.refusing = True
        proxy.cut()
        await until(lambda: there.hub.away is not None)
        # As though a copy had been restored that was made before the second publication.
        prefix = broker_of(here).prefix
        redis.ask("HINCRBY", f"{prefix}life", "seq", -1)
        redis.ask("SET", f"{prefix}at:channel:news", 1)
        redis.ask("XDEL", f"{prefix}past:channel:news", "2-0")
        redis.ask("XSETID", f"{prefix}past:channel:news", "1-0")
        for number in (3, 4):
            await here.hub.publish("news", number)
        proxy.calm()
        assert await bo.published(2) == [3, 4]
        assert [m["type"] for m in bo.heard if m["type"] in {"gap", "publication"}].count(
            "gap"
        ) >= 1
        assert not [m for m in await bo.quiet() if m["type"] == "publication"]
        await nodes.places.pop().aclose()


async def test_first_publication_after_redis_was_emptied_follows_the_gap(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """When Redis is emptied while it is reached, nothing that is published then is withheld."""
    place = await nodes.open(own_redis.url)
    bo = await place.connect("bo")
    await bo.ask("subscribe", {"channel": "news"})
    await place.hub.publish("news", 1)
    assert await bo.published(1) == [1]
    own_redis.ask("FLUSHALL")
    for number in (2, 3):
        await place.hub.publish("news", number)
    gap = await bo.wait(lambda m: m["type"] == "gap" and m["payload"].get("channel") == "news")
    assert await bo.published(2) == [2, 3]
    assert gap["payload"]["recovered"] is False
    assert not [m for m in await bo.quiet() if m["type"] == "publication"]


# A full Redis


async def test_full_redis_is_asked_seldom_and_logged_once(
    nodes: Nodes, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """While Redis is full, publishers are told when to try again, and only now and then one of
    them is passed on; when there is memory again, publishing goes on.
    """
    place = await nodes.open(own_redis.url)
    own_redis.ask("CONFIG", "SET", "maxmemory", 1)
    waits = []
    for number in range(500):
        with pytest.raises(ProtocolError) as refused:
            await place.hub.publish("news", number)
        assert (refused.value.code, refused.value.retry) == ("unavailable", True)
        waits.append(refused.value.retry_after)
    assert all(waits)
    assert own_redis.ask("INFO", "errorstats")["errorstat_OOM"]["count"] < 50
    assert caplog.text.count("Redis refuses") == 1
    own_redis.ask("CONFIG", "SET", "maxmemory", 0)

    async def published() -> bool:
        try:
            await place.hub.publish("news", 1)
        except ProtocolError:
            return False
        return True

    while not await published():
        pass
    await place.hub.publish("news", 2)


# What no node has published

MALFORMED = (
    b"",
    b"p",
    b"not a message",
    b"p epoch 1 1 4",
    b"x epoch 1 1 4 chat",
    b"p epoch one 1 4 chat",
    b"p epoch 1 -1 4 chat",
    b"p epoch 1 1 99 chat",
    b"p epoch 1 1 -4 chat",
    b"p epoch 1 1 1_0 chat-chat-chat",
    b"p epoch 99999999999999999999 1 4 chat",
    b"p epoch 1 " + b"9" * 5_000 + b" 4 chat",
    b"p \xff\xfe 1 1 4 chat",
    b"p epoch 1 1 2 \xff\xfe",
    b"\x00" * 100_000,
)


async def test_malformed_messages_are_ignored_and_counted(
    nodes: Nodes, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is published on the nodes' channel costs a node nothing: it keeps its connection,
    counts what it ignored, logs it once, and delivers what comes next.
    """
    place = await nodes.open(redis.url)
    broker, bo = broker_of(place), await place.connect("bo")
    await bo.ask("subscribe", {"channel": "news"})
    said: list[str] = []
    place.hub.report_to(lambda kind, _: said.append(kind))
    for data in MALFORMED:
        redis.ask("PUBLISH", f"{broker.prefix}all", data)
    await place.hub.publish("news", 1)
    assert await bo.published(1) == [1]
    assert broker.ignored == len(MALFORMED)
    assert said == []
    assert caplog.text.count("was ignored") == 1


async def test_forged_publication_withholds_no_real_one(nodes: Nodes, redis: RedisServer) -> None:
    """A message with an offset that Redis never gave, or a wrong epoch, is not delivered, and the
    real ones are, each once.
    """
    place = await nodes.open(redis.url)
    broker, bo = broker_of(place), await place.connect("bo")
    await bo.ask("subscribe", {"channel": "news"})
    await place.hub.publish("news", 1)
    epoch, seq = (
        each.decode() for each in redis.ask("HMGET", f"{broker.prefix}life", "epoch", "seq")
    )
    draft = {"type": "publication", "id": "x", "timestamp": 0, "channel": "news", "data": "forged"}
    body = b"channel:news" + msgspec.msgpack.encode(draft)
    for head in (
        f"p {epoch} {int(seq) + 1} 1000000 12 ",
        f"p {epoch} {int(seq) + 7} 2 12 ",
        "p forged 1 1 12 ",
        f"p {epoch} {seq} 1 12 ",
    ):
        redis.ask("PUBLISH", f"{broker.prefix}all", head.encode() + body)
    for number in (2, 3):
        await place.hub.publish("news", number)
    assert await bo.published(3) == [1, 2, 3]
    assert not [m for m in await bo.quiet() if m["type"] in {"publication", "gap"}]
    assert place.hub.away is None


@given(st.binary(max_size=60) | st.from_regex(rb"[pt] [a-f]{1,4} [0-9]{1,3} [0-9]{1,3} [0-9] .*"))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """A parsed message has a key and a body from the input, and counts that fit."""
    try:
        message = NodeMessage.parse(data)
    except ValueError:
        return
    assert data.endswith(message.key.encode() + message.body)
    assert 0 <= message.seq <= 2**53
    assert 0 <= message.number <= 2**53


# The address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://h/abc", "database is a number"),
        ("redis://h/1/2", "database is a number"),
        ("redis://h/-1", "database is a number"),
        ("redis://:p4ss@h/0x1", "database is a number"),
        ("redis://h/²", "database is a number"),
        ("redis://h/0?db=3", "leave one out"),
        ("redis://h?db=-1", "negative"),
        ("redis://:p4ss@h?p4ss_word=1", "does not know"),
        ("unix://", "no path"),
    ],
)
def test_address_of_redis_is_refused_when_its_database_or_options_make_no_sense(
    url: str, why: str
) -> None:
    """Nothing of an address is passed over: the error says what is wrong with it."""
    with pytest.raises(OptionError, match=why) as refused:
        RedisBroker(url)
    assert "p4ss@" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("redis://h", "rtmon:0:"),
        ("redis://h/", "rtmon:0:"),
        ("redis://h/3", "rtmon:3:"),
        ("redis://h?db=3", "rtmon:3:"),
        ("rediss://h/%33", "rtmon:3:"),
        ("unix:///run/redis.sock?db=3", "rtmon:3:"),
        ("unix:///run/redis.sock", "rtmon:0:"),
    ],
)
def test_address_of_redis_names_a_database(url: str, prefix: str) -> None:
    """The database stands in the path or in ``db``; it is 0 if none is named."""
    assert RedisBroker(url).prefix == prefix
