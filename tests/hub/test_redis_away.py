"""Hub nodes that lose their connection to Redis, or whose Redis restarts or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

import rtmon
from rtmon.client import Client
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Hub
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.lab.proxied_connection import ProxiedConnection
from rtmon.testing import FaultProxy, until
from tests.hub.conftest import Place
from tests.hub.nodes import QUICK, Nodes
from tests.hub.redis_server import RedisServer


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """Hub nodes that share one Redis server."""
    async with Nodes.opened() as opened:
        yield opened


class Cut:
    """Two hub nodes, of which the second reaches Redis through a proxy that can be interrupted."""

    def __init__(self, here: Place, there: Place, proxy: FaultProxy) -> None:
        self.here, self.there, self._proxy = here, there, proxy

    async def away(self) -> None:
        """Disconnect the second node from Redis, and wait until the node has noticed."""
        self._proxy.refusing = True
        self._proxy.cut()
        await until(lambda: self.there.hub.away is not None)

    def hold_up(self) -> ProxiedConnection:
        """Delay publications of other nodes to the second node until the returned link is
        thawed.
        """
        _, messages = self._proxy.links
        messages.set("down", frozen=True)
        return messages

    async def back(self) -> None:
        """Let the second node reach Redis again, and wait until the node is connected."""
        self._proxy.calm()
        await until(lambda: self.there.hub.away is None)


@pytest.fixture
async def cut(nodes: Nodes, redis: RedisServer) -> AsyncIterator[Cut]:
    """Two hub nodes of which the second can be disconnected from Redis."""
    here = await nodes.open(redis.url, history=20)
    async with FaultProxy(f"ws://127.0.0.1:{redis.port}") as proxy:
        there = await nodes.open(f"redis://127.0.0.1:{proxy.port}/0", history=20)
        yield Cut(here, there, proxy)
        await nodes.places.pop().aclose()


async def joined(place: Place) -> Any:
    """Connect a client that joins a room, and subscribes to a channel and a pattern."""
    client = await place.connect()
    await client.ask("join_room", {"room": "tea"})
    for channel in ("news", "more.*"):
        await client.ask("subscribe", {"channel": channel})
    return client


def offsets(messages: list[dict[str, Any]], kind: str = "publication") -> list[int]:
    """Return the offsets of the messages of this type."""
    return [m["payload"]["offset"] for m in messages if m["type"] == kind]


async def test_node_delivers_missed_publications_when_it_reaches_redis_again(cut: Cut) -> None:
    """Node that reaches Redis again delivers the publications it missed, in order and once,
    without a ``gap`` message.
    """
    ada, bo = await cut.here.connect("ada"), await joined(cut.there)
    await ada.ask("join_room", {"room": "tea"})
    await cut.here.hub.publish("news", "before")
    await cut.away()
    for number in range(5):
        await cut.here.hub.publish("news", number)
        await ada.send("chat_message", {"text": str(number)})
        await ada.ask("room_message", {"room": "tea", "text": str(number), "ack": True})
    await cut.back()
    await cut.here.hub.publish("news", "after")
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["payload"].get("data") != "after":
        heard.append(await bo.wait(lambda _: True))
    news = [m["payload"]["data"] for m in heard if m["type"] == "publication"]
    assert news == ["before", 0, 1, 2, 3, 4, "after"]
    for kind in ("chat_message", "room_message"):
        assert [m["payload"]["text"] for m in heard if m["type"] == kind] == list("01234")
    assert not [m for m in heard if m["type"] == "gap"]
    assert not offsets(await bo.quiet())


async def test_client_receives_gap_when_history_is_shorter_than_the_outage(cut: Cut) -> None:
    """Client receives ``gap``, then the publications still in history, when more were published
    during an outage than history keeps.
    """
    bo = await joined(cut.there)
    await cut.here.hub.publish("news", -1)
    assert await bo.published(1) == [-1]
    await cut.away()
    for number in range(30):
        await cut.here.hub.publish("news", number)
    await cut.back()
    gap = await bo.next("gap")
    assert gap["payload"]["channel"] == "news"
    assert gap["payload"]["recovered"] is False
    assert await bo.published(20) == list(range(10, 30))
    gaps = [m["payload"].get("channel") for m in bo.heard if m["type"] == "gap"]
    assert gaps in ([], ["more.*"])


async def test_pattern_subscriber_receives_gap_when_its_node_missed_a_matching_publication(
    cut: Cut,
) -> None:
    """Subscriber of a channel pattern receives ``gap`` when its node missed a matching
    publication while Redis was unreachable.
    """
    bo = await joined(cut.there)
    await cut.here.hub.publish("news", 0)
    await bo.next("publication")
    await cut.away()
    await cut.here.hub.publish("news", 1)
    await cut.back()
    await bo.next("publication")
    assert not [m for m in await bo.quiet() if m["type"] == "gap"]
    await cut.away()
    await cut.here.hub.publish("more.than", 2)
    await cut.back()
    assert (await bo.next("gap"))["payload"] == {"channel": "more.*", "recovered": False}


async def test_python_client_marks_only_the_first_message_after_a_gap(cut: Cut) -> None:
    """Python client sets ``gap`` only on the first message after an outage that exceeded
    history.
    """
    async with rtmon.connect(cut.there.url, proxy=None) as client:
        assert isinstance(client, Client)
        async with client.subscribe("news") as news:
            await cut.here.hub.publish("news", "first")
            assert (await anext(news)).gap is False
            await cut.away()
            for number in range(30):
                await cut.here.hub.publish("news", number)
            await cut.back()
            heard = [await anext(news) for _ in range(20)]
            assert [(m.payload, m.gap) for m in heard[:2]] == [(10, True), (11, False)]
            assert [m.payload for m in heard] == list(range(10, 30))
            assert client.stats.gaps == 1


async def test_subscription_is_answered_after_publications_that_redis_has_sent(cut: Cut) -> None:
    """Node answers a subscription only after it has delivered the publications that Redis has
    already sent.
    """
    bo, broker = await joined(cut.there), cut.there.hub.context.broker
    link = cut.hold_up()
    receipt = await cut.here.hub.publish("news", 1)
    recovering = asyncio.create_task(broker.recover("channel:news", since=None, age=60.0))
    publishing = asyncio.create_task(cut.there.hub.publish("news", 2))
    await asyncio.sleep(0)  # Both tasks have now sent their request.
    await broker.present("chat", limit=0)
    assert not recovering.done()
    assert not publishing.done()
    link.set("down", frozen=False)
    assert (await recovering).offset == receipt.offset
    assert (await publishing).offset == receipt.offset + 1
    assert await bo.published(2) == [1, 2]


async def test_client_repeats_a_publication_refused_while_redis_is_unreachable(cut: Cut) -> None:
    """Hub answers ``unavailable`` while Redis is unreachable, and the Python client's publication
    is delivered once when Redis is reachable again.
    """
    bo = await joined(cut.there)
    watcher = await joined(cut.here)
    async with rtmon.connect(cut.there.url, proxy=None) as client:
        await cut.away()
        refused = await bo.ask("publish", {"channel": "news", "data": 1})
        assert refused["payload"]["code"] == "unavailable"
        assert refused["payload"]["retry"] is True
        with pytest.raises(ProtocolError, match="later"):
            await cut.there.hub.publish("news", 1)
        with pytest.raises(Exception, match="1013"):
            await cut.there.connect()
        sending = asyncio.create_task(client.publish("news", "kept", ack=True))
        await bo.ask("ping")
        assert not sending.done()
        await cut.back()
        await sending
    assert await watcher.published(1) == ["kept"]
    assert await bo.published(1) == ["kept"]
    assert not offsets(await bo.quiet())
    assert not offsets(await watcher.quiet())


async def test_client_that_left_during_a_redis_outage_is_announced_afterwards(cut: Cut) -> None:
    """Client that leaves a node during a Redis outage is announced as left when the node reaches
    Redis again.
    """
    ada, bo = await cut.here.connect("ada"), await cut.there.connect("bo", user="bo")
    await ada.next("user_online")
    await cut.away()
    await bo.leave()
    arrivals = cut.there.hub._parts.join_leave
    await until(lambda: not cut.there.hub.connections and not arrivals._pending)
    await cut.back()
    gone = await ada.next("user_left")
    assert (gone["payload"]["client_id"], gone["payload"]["user_count"]) == (bo.id, 1)
    assert "user_offline" in [m["type"] for m in ada.heard] or await ada.next("user_offline")
    assert (await ada.ask("presence"))["payload"]["count"] == 1


async def test_node_reconnects_and_recovers_when_its_redis_connection_is_silent(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node opens a new connection when it receives nothing from Redis, and delivers what it
    missed.
    """
    async with FaultProxy(f"ws://127.0.0.1:{redis.port}") as proxy:
        there = await nodes.open(f"redis://127.0.0.1:{proxy.port}/0", timeout=2.0)
        bo = await joined(there)
        here = await nodes.open(redis.url)
        Cut(here, there, proxy).hold_up()
        for number in range(3):
            await here.hub.publish("news", number)
        assert await bo.published(3) == [0, 1, 2]
        assert proxy.accepted >= 4
        assert not [m for m in await bo.quiet() if m["type"] in {"gap", "publication"}]
        nodes.places.remove(there)
        await there.aclose()


async def test_publish_raises_unavailable_and_health_is_503_while_redis_hangs(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Hub's ``publish()`` raises ``unavailable`` and ``/healthz`` answers 503 while Redis hangs,
    and clients stay connected.
    """
    broker = RedisBroker(own_redis.url, timeout=3.0, backoff=QUICK)
    hub = Hub(broker=broker)
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, httpx.AsyncClient() as http:
        health = f"http{server.url.removeprefix('ws')}/healthz"
        await until(lambda: hub.away is None)
        assert (await http.get(health)).status_code == 200
        async with rtmon.connect(server.url, proxy=None) as client:
            own_redis.pause()
            with pytest.raises(ProtocolError) as refused:
                await hub.publish("news", 1)
            assert (refused.value.code, refused.value.retry) == ("unavailable", True)
            answer = await http.get(health)
            assert (answer.status_code, "redis" in answer.text.lower()) == (503, False)
            own_redis.resume()
            await until(lambda: hub.away is None)
            assert (await http.get(health)).status_code == 200
            async with client.subscribe("news") as news:
                await hub.publish("news", 2)
                assert (await anext(news)).payload == 2
            assert client.stats.reconnects == 0
        server.monitor.tick()
        events = [event.kind for event in server.monitor.collector.history.events()]
        assert events.count("broker away") == events.count("broker back") >= 1
    await hub.aclose()


async def test_clients_receive_gap_and_stay_present_when_redis_restarts_empty(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Clients receive ``gap`` for each of their channels and rooms when Redis restarts empty,
    and stay connected and present.
    """
    here, there = await nodes.open(own_redis.url), await nodes.open(own_redis.url)
    ada, bo = await joined(here), await joined(there)
    await ada.ask("publish", {"channel": "news", "data": 1, "ack": True})
    old = (await bo.next("publication"))["payload"]
    own_redis.stop()
    for place in (here, there):
        await until(lambda place=place: place.hub.away is not None)
    own_redis.start()
    for place in (here, there):
        await until(lambda place=place: place.hub.away is None)
    for client in (ada, bo):
        gaps = [await client.next("gap") for _ in range(4)]
        places = {(m["payload"].get("channel"), m["payload"].get("room")) for m in gaps}
        assert places == {("news", None), ("more.*", None), (None, "tea"), (None, None)}
        assert all(m["payload"].get("epoch") != old["epoch"] for m in gaps)
    receipt = await here.hub.publish("news", 2)
    assert receipt.epoch != old["epoch"]
    for client in (ada, bo):
        assert (await client.next("publication"))["payload"]["data"] == 2
        assert (await client.ask("presence"))["payload"]["count"] == 2
        assert (await client.ask("presence", {"room": "tea"}))["payload"]["count"] == 2
    late = await there.connect()
    since = {"epoch": old["epoch"], "offset": old["offset"]}
    answer = await late.ask("subscribe", {"channel": "news", "since": since})
    assert answer["payload"]["recovered"] is False


async def test_new_epoch_begins_when_redis_is_restored_from_an_older_copy(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node starts a new epoch and sends ``gap`` when Redis holds less than the node has already
    delivered.
    """
    place = await nodes.open(redis.url)
    bo = await joined(place)
    first = await place.hub.publish("news", 1)
    await place.hub.publish("news", 2)
    assert await bo.published(2) == [1, 2]
    assert isinstance(place.hub.context.broker, RedisBroker)
    prefix = place.hub.context.broker.prefix
    redis.ask("HINCRBY", f"{prefix}life", "seq", -1)
    redis.ask("SET", f"{prefix}at:channel:news", first.offset)
    redis.ask("XTRIM", f"{prefix}past:channel:news", "MAXLEN", 1)
    third = await place.hub.publish("news", 3)
    assert third.epoch != first.epoch
    gap = await bo.wait(lambda m: m["type"] == "gap" and m["payload"].get("channel") == "news")
    assert gap["payload"]["epoch"] == third.epoch


async def test_node_reloads_its_lua_scripts_when_redis_has_flushed_them(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node loads its Lua scripts again after ``SCRIPT FLUSH``, and publishes without a gap in
    offsets.
    """
    place = await nodes.open(redis.url)
    await place.hub.publish("news", 1)
    redis.ask("SCRIPT", "FLUSH")
    receipts = await asyncio.gather(*[place.hub.publish("news", n) for n in range(20)])
    first = receipts[0].offset
    assert [receipt.offset for receipt in receipts] == list(range(first, first + 20))


async def test_node_ignores_announcements_of_an_unknown_type(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node ignores announcements that it cannot decode, as from a newer version, and stays
    connected to Redis.
    """
    place = await nodes.open(redis.url)
    bo = await joined(place)
    said: list[str] = []
    place.hub.report_to(lambda kind, _: said.append(kind))
    broker = place.hub.context.broker
    assert isinstance(broker, RedisBroker)
    life = [each.decode() for each in redis.ask("HMGET", f"{broker.prefix}life", "epoch", "seq")]
    for note in ({"type": "not_yet", "payload": {}}, {"type": "user_left", "payload": {"name": 1}}):
        body = msgspec.msgpack.encode(note)
        redis.ask("PUBLISH", f"{broker.prefix}all", f"t {' '.join(life)} 1 4 chat".encode() + body)
    await place.hub.publish("news", 1)
    assert await bo.published(1) == [1]
    assert said == []


async def test_node_sends_gap_for_a_publication_that_it_cannot_decode(cut: Cut) -> None:
    """Node sends ``gap`` for a publication that it cannot decode, live and from history, and
    delivers the next publication.
    """
    bo = await joined(cut.there)
    broker = cut.here.hub.context.broker
    assert isinstance(broker, RedisBroker)
    newer = {"type": "publication", "id": "1", "timestamp": 0, "slow": "not_yet"}

    async def unreadable() -> None:
        await broker._call_alive(
            "publish", "channel:news", msgspec.msgpack.encode(newer), 20, 300_000, 300_000, "", 0
        )

    await unreadable()
    gap = await bo.next("gap")
    assert (gap["payload"]["channel"], gap["payload"]["offset"]) == ("news", 1)
    await cut.away()
    await unreadable()
    await cut.here.hub.publish("news", 3)
    await cut.back()
    gap = await bo.next("gap")
    assert (gap["payload"]["channel"], gap["payload"]["offset"]) == ("news", 3)
    assert await bo.published(1) == [3]


async def test_node_reconnects_to_redis_when_its_report_function_raises(cut: Cut) -> None:
    """Node connects to Redis again although the application's ``report_to`` function raises."""

    def fails(kind: str, detail: str) -> None:
        raise RuntimeError(kind)

    cut.there.hub.report_to(fails)
    await cut.away()
    await cut.back()
    await cut.there.hub.publish("news", 1)


async def test_redis_password_appears_in_no_log_report_or_repr(
    tmp_path: Any, own_redis: RedisServer, caplog: Any
) -> None:
    """Redis password appears in no log record, report or ``repr()``, whether Redis accepts it or
    not.
    """
    own_redis.stop()
    own_redis.start("--requirepass", "s3cret-word")
    said: list[str] = []
    for password in ("s3cret-word", "s3cret-wrong"):
        address = f"redis://:{password}@127.0.0.1:{own_redis.port}"
        hub = Hub(broker=RedisBroker(address, timeout=60, backoff=QUICK))
        hub.report_to(lambda kind, detail: said.append(f"{kind}: {detail}"))
        await hub.start()
        await until(lambda hub=hub: hub.away is None or said)
        assert (hub.away is None) == password.endswith("word")
        assert "s3cret" not in repr(hub.context.broker)
        await hub.aclose()
    assert "s3cret" not in caplog.text + "".join(said)
    assert any("away" in each and "127.0.0.1" in each for each in said)


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://h:1", "redis://:p4ss@host:nan/0", "", "redis://h?protocol=3"]
)
def test_invalid_redis_url_raises_option_error_without_the_password(url: str) -> None:
    """Invalid Redis URL raises OptionError that does not contain the URL's password."""
    with pytest.raises(OptionError) as refused:
        RedisBroker(url)
    assert "address of Redis" in str(refused.value)
    assert "p4ss" not in str(refused.value)
