"""Hub nodes whose Redis is emptied, restored, full, or carries malformed or forged messages."""

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
    """Hub nodes that share one Redis server."""
    async with Nodes.opened() as opened:
        yield opened


def broker_of(place: Place) -> RedisBroker:
    """Return the Redis broker of a node."""
    assert isinstance(place.hub.context.broker, RedisBroker)
    return place.hub.context.broker


async def test_node_reconnecting_to_an_emptied_redis_delivers_new_history_after_a_gap(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Node that reconnects to an emptied Redis sends its clients ``gap``, then all publications
    that another node made after Redis was emptied.
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


async def test_node_delivers_only_new_publications_after_redis_was_restored(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node delivers only the publications of the new epoch after Redis was restored from an
    older copy.
    """
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
        # Simulate a restored copy that was made before the second publication.
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


async def test_client_receives_gap_then_publications_made_after_redis_was_emptied(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Client receives ``gap``, then every publication made after ``FLUSHALL`` emptied Redis."""
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


async def test_publish_raises_unavailable_with_retry_after_while_redis_is_full(
    nodes: Nodes, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Hub's ``publish()`` raises ``unavailable`` with a retry time while Redis is full, sends
    Redis few commands, and logs once.
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


async def test_node_ignores_counts_and_logs_malformed_messages_from_redis(
    nodes: Nodes, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Node ignores and counts malformed messages on its Redis channel, logs only one of them,
    and delivers the next publication.
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


async def test_node_ignores_forged_publications_and_delivers_the_real_ones(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node does not deliver forged publications with a wrong offset or epoch, and delivers the
    real ones once.
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
def test_node_message_parser_accepts_or_rejects_any_bytes(data: bytes) -> None:
    """Parser of messages between nodes raises ValueError for any malformed bytes, or returns
    fields taken from them.
    """
    try:
        message = NodeMessage.parse(data)
    except ValueError:
        return
    assert data.endswith(message.key.encode() + message.body)
    assert 0 <= message.seq <= 2**53
    assert 0 <= message.number <= 2**53


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
def test_redis_url_with_invalid_database_or_option_raises_option_error(url: str, why: str) -> None:
    """Redis URL with an invalid database or an unknown option raises OptionError that says what
    is wrong.
    """
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
def test_redis_url_gives_the_database_in_its_path_or_in_db(url: str, prefix: str) -> None:
    """Redis URL selects the database by its path or by ``db``, and database 0 when it has
    neither.
    """
    assert RedisBroker(url).prefix == prefix
