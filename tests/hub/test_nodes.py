"""Several hub nodes that share one Redis server: delivery, presence, recovery and dead nodes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon.hub.brokers.redis import RedisBroker
from tests.hub.conftest import Place
from tests.hub.nodes import Nodes
from tests.hub.redis_server import RedisServer


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """Hub nodes that share one Redis server."""
    async with Nodes.opened() as opened:
        yield opened


@pytest.fixture
async def two(nodes: Nodes, redis: RedisServer) -> tuple[Place, Place]:
    """Two hub nodes that share one Redis server."""
    return await nodes.open(redis.url), await nodes.open(redis.url)


async def subscribed(place: Place, channel: str, **since: Any) -> Any:
    """Connect a client, and subscribe it to a channel."""
    client = await place.connect()
    answer = await client.ask("subscribe", {"channel": channel, **since})
    assert answer["type"] == "ack", answer
    return client


async def arrived(*clients: Any) -> None:
    """Wait until the clients' earlier messages are handled and their effects are in Redis."""
    for client in clients:
        await client.ask("ping")


@contextlib.asynccontextmanager
async def beating(place: Place) -> AsyncIterator[None]:
    """Make a node check every 20 ms whether other nodes have died."""
    broker = place.hub.context.broker
    assert isinstance(broker, RedisBroker)

    async def beat() -> None:
        while True:
            await broker.beat()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(beat())
    yield
    task.cancel()


def said(message: dict[str, Any]) -> tuple[int, Any]:
    """Return the offset of a publication, and its data or text."""
    payload = message["payload"]
    return payload["offset"], payload.get("data", payload.get("text"))


async def test_subscribers_on_two_nodes_receive_the_same_order_without_gaps(
    two: tuple[Place, Place],
) -> None:
    """Subscribers on two nodes receive the publications of clients on both nodes once, in the
    same order and without gaps.
    """
    readers = [await subscribed(place, "news") for place in two]
    writers = [await place.connect() for place in two]
    for number in range(50):
        for writer in writers:
            await writer.send("publish", {"channel": "news", "data": f"{writer.id} {number}"})
    heard = [[said(await reader.next("publication")) for _ in range(100)] for reader in readers]
    assert heard[0] == heard[1]
    offsets = [offset for offset, _ in heard[0]]
    assert offsets == list(range(offsets[0], offsets[0] + 100))
    for writer in writers:
        mine = [text for _, text in heard[0] if text.startswith(writer.id)]
        assert mine == [f"{writer.id} {number}" for number in range(50)]
    for reader in readers:
        assert not [each for each in await reader.quiet() if each["type"] == "publication"]


async def test_chat_rooms_and_channel_patterns_reach_clients_of_other_nodes(
    two: tuple[Place, Place],
) -> None:
    """Chat messages, room messages and publications that match a channel pattern reach clients
    of another node.
    """
    ada, bo = await two[0].connect("ada"), await two[1].connect("bo")
    await bo.ask("subscribe", {"channel": "news.*"})
    for client in (ada, bo):
        await client.ask("join_room", {"room": "tea"})
    await arrived(ada, bo)
    await ada.send("chat_message", {"text": "to all", "echo": False})
    await ada.send("room_message", {"room": "tea", "text": "to the room"})
    await ada.send("publish", {"channel": "news.sport", "data": b"\x00".hex()})
    assert (await bo.next("chat_message"))["payload"]["text"] == "to all"
    assert (await bo.next("room_message"))["payload"]["text"] == "to the room"
    assert (await bo.next("publication"))["payload"]["channel"] == "news.sport"
    assert (await ada.next("room_message"))["payload"]["name"] == "ada"
    assert not [each for each in ada.heard if each["type"] == "chat_message"]


async def test_user_counts_and_presence_include_clients_of_all_nodes(
    two: tuple[Place, Place],
) -> None:
    """User counts, member counts and presence include the clients of all nodes."""
    ada = await two[0].connect("ada")
    await arrived(ada)
    bo = await two[1].connect("bo")
    assert bo.welcome["payload"]["user_count"] == 2
    told = await ada.wait(
        lambda m: m["type"] == "user_joined" and bo.id in [u["client_id"] for u in people(m)]
    )
    assert told["payload"]["user_count"] == 2
    assert (await ada.ask("join_room", {"room": "tea"}))["payload"]["member_count"] == 1
    await arrived(ada)
    assert (await bo.ask("join_room", {"room": "tea"}))["payload"]["member_count"] == 2
    await arrived(bo)
    for client in (ada, bo):
        for where in ({"room": "tea"}, {}):
            answer = (await client.ask("presence", where))["payload"]
            assert answer["count"] == 2
            assert [each["name"] for each in answer["members"]] == ["ada", "bo"]
    await bo.ask("connect", {"info": {"likes": "tea"}})
    members = (await ada.ask("presence"))["payload"]["members"]
    assert members[1]["info"] == {"likes": "tea"}
    assert (await bo.ask("leave_room", {"room": "tea"}))["payload"]["member_count"] == 1
    await bo.leave()
    gone = await ada.wait(lambda m: m["type"] == "user_left" and "room" not in m["payload"])
    assert (gone["payload"]["client_id"], gone["payload"]["user_count"]) == (bo.id, 1)
    assert (await ada.ask("presence"))["payload"]["count"] == 1


def people(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the users in a message that announces joins or leaves."""
    users: list[dict[str, Any]] = message["payload"]["users"]
    return users


async def test_user_with_connections_on_two_nodes_is_announced_online_once(
    two: tuple[Place, Place],
) -> None:
    """User with six connections on two nodes is announced online once, and offline once after
    the last disconnect.
    """
    watcher = await two[0].connect()
    mine = await asyncio.gather(*[two[n % 2].connect(f"c{n}", user="ada") for n in range(6)])
    assert (await watcher.next("user_online"))["payload"]["user_count"] == 1
    for client in mine:
        await client.leave()
    heard = [*watcher.heard, {"type": "user_online"}]
    left: list[str] = []
    while len(left) < 6 or not any(m["type"] == "user_offline" for m in heard):
        heard.append(await watcher.wait(lambda _: True))
        if heard[-1]["type"] == "user_left":
            left += [user["client_id"] for user in people(heard[-1])]
    heard += await watcher.quiet()
    lines = [m for m in heard if m["type"] in {"user_online", "user_offline"}]
    assert [m["type"] for m in lines] == ["user_online", "user_offline"]
    assert lines[1]["payload"]["user_count"] == 0
    came = [u["client_id"] for m in heard if m["type"] == "user_joined" for u in people(m)]
    assert sorted(left) == sorted(client.id for client in mine)
    assert sorted(came) == sorted([watcher.id, *left])


async def test_private_message_reaches_a_client_of_another_node(two: tuple[Place, Place]) -> None:
    """Private messages, typing indicators and notifications reach a client of another node, and
    an unknown client id is an error.
    """
    ada, bo = await two[0].connect("ada"), await two[1].connect("bo", user="bo")
    await arrived(ada, bo)
    answer = await ada.ask("private_message", {"to": bo.id, "text": "psst", "ack": True})
    assert answer["type"] == "ack"
    heard = await bo.next("private_message")
    assert (heard["payload"]["text"], heard["payload"]["from"]) == ("psst", ada.id)
    await ada.send("typing_start", {"to": bo.id})
    assert (await bo.next("typing_start"))["payload"]["client_id"] == ada.id
    await bo.send("typing_start")
    assert (await ada.next("typing_start"))["payload"]["name"] == "bo"
    two[0].hub.notify("bo", "hello", data={"x": 1})
    assert (await bo.next("notification"))["payload"]["data"] == {"x": 1}
    await ada.send("private_message", {"to": bo.id, "data": "AP8=", "encoding": "base64"})
    assert (await bo.next("private_message"))["payload"]["data"] == "AP8="
    for kind in ("private_message", "typing_start"):
        refused = await ada.ask(kind, {"to": "unknown"})
        assert refused["payload"]["code"] == "unknown_client"


async def test_client_is_announced_on_other_nodes_before_its_first_message(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Clients of another node are told that a client has joined before they receive that
    client's first message.
    """
    places = [await nodes.open(redis.url, announce=5.0) for _ in range(2)]
    watcher = await places[0].connect()
    ada = await places[1].connect("ada")
    await ada.send("chat_message", {"text": "hi"})
    await watcher.next("chat_message")
    joined = [m for m in watcher.heard if m["type"] == "user_joined"]
    assert ada.id in [user["client_id"] for message in joined for user in people(message)]


async def test_client_recovers_missed_publications_on_another_node(
    two: tuple[Place, Place],
) -> None:
    """Client that reconnects to another node receives missed publications, and a message that it
    repeats under the same id is published once.
    """
    ada = await subscribed(two[0], "news")
    session = ada.welcome["payload"]["session"]
    message = {"channel": "news", "data": 1, "ack": True}
    first = (await ada.ask("publish", message, id="m1"))["payload"]
    await ada.leave()
    await two[0].hub.publish("news", 2)
    again = await two[1].connect()
    await again.ask("connect", {"session": session})
    repeated = (await again.ask("publish", message, id="m1"))["payload"]
    assert repeated["duplicate"] is True
    assert (repeated["epoch"], repeated["offset"]) == (first["epoch"], first["offset"])
    since = {"epoch": first["epoch"], "offset": first["offset"]}
    answer = await again.ask("subscribe", {"channel": "news", "since": since})
    assert answer["payload"]["recovered"] is True
    assert await again.published(1) == [2]
    assert not [each for each in await again.quiet() if each["type"] == "publication"]


async def test_subscriber_misses_nothing_while_another_node_publishes(
    two: tuple[Place, Place],
) -> None:
    """Client that subscribes while another node publishes receives each publication after its
    subscription once and without gaps.
    """
    writer = asyncio.create_task(publishing(two[0], 200))
    readers = [await subscribed(two[1], "news") for _ in range(5)]
    await writer
    last = (await two[1].hub.context.broker.recover("channel:news", since=None, age=60.0)).offset
    for reader in readers:
        heard = [said(await reader.next("publication"))[0]]
        while heard[-1] < last:
            heard.append(said(await reader.next("publication"))[0])
        assert heard == list(range(heard[0], last + 1))


async def publishing(place: Place, count: int) -> None:
    """Publish this many numbers to the channel ``news``, one after another."""
    for number in range(count):
        await place.hub.publish("news", number)


async def test_clients_of_an_expired_node_are_announced_as_left_and_rejoin_at_its_heartbeat(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Clients of a node whose heartbeat in Redis expired are announced as left, and as joined again
    after the node's next heartbeat.
    """
    alive = await nodes.open(redis.url)
    dead = await nodes.open(redis.url)
    ada, bo = await alive.connect("ada"), await dead.connect("bo", user="bo")
    await bo.ask("join_room", {"room": "tea"})
    await ada.ask("join_room", {"room": "tea"})
    await arrived(ada, bo)
    broker = dead.hub.context.broker
    assert isinstance(broker, RedisBroker)
    redis.ask("ZADD", f"{broker.prefix}nodes", 0, broker.node)
    async with beating(alive):
        gone = [await ada.next("user_left"), await ada.next("user_left")]
    assert {message["payload"].get("room") for message in gone} == {None, "tea"}
    assert all([u["client_id"] for u in people(message)] == [bo.id] for message in gone)
    where = [m["type"] for m in ada.heard]
    assert ("user_offline" in where) or await ada.next("user_offline")
    assert (await ada.ask("presence"))["payload"]["count"] == 1
    assert (await ada.ask("presence", {"room": "tea"}))["payload"]["count"] == 1
    ada.heard.clear()
    await broker.beat()
    back = [await ada.next("user_joined"), await ada.next("user_joined")]
    assert {message["payload"].get("room") for message in back} == {None, "tea"}
    assert (await bo.ask("presence"))["payload"]["count"] == 2


async def test_hubs_with_different_prefixes_or_databases_share_nothing(redis: RedisServer) -> None:
    """Hubs with different Redis prefixes or databases share neither publications nor presence."""
    async with Nodes.opened() as mine, Nodes.opened() as others:
        here, there = await mine.open(redis.url), await others.open(redis.url)
        await (await mine.open(redis.url.replace("/0", "/1"))).hub.publish("news", 1)
        ada, _ = await subscribed(here, "news"), await there.connect("bo")
        await there.hub.publish("news", 1)
        assert (await ada.ask("presence"))["payload"]["count"] == 1
        assert not [m for m in await ada.quiet() if m["type"] == "publication"]


async def test_node_that_is_closed_leaves_nothing_in_redis(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node that is closed announces its clients as left, and leaves none of its keys in Redis."""
    here, there = await nodes.open(redis.url), await nodes.open(redis.url)
    ada, bo = await here.connect("ada"), await there.connect("bo")
    broker = there.hub.context.broker
    assert isinstance(broker, RedisBroker)
    await there.hub.aclose()
    left = await ada.wait(lambda m: m["type"] == "user_left")
    assert left["payload"]["client_id"] == bo.id
    assert redis.ask("ZSCORE", f"{broker.prefix}nodes", broker.node) is None
    assert not redis.ask("SMEMBERS", f"{broker.prefix}mine:{broker.node}")


async def test_clients_of_a_killed_node_are_announced_as_left(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Clients of other nodes are told that a node's clients have left when the node's process
    is killed.
    """
    here = await nodes.open(redis.url)
    ada = await here.connect("ada")
    program = [sys.executable, "-m", "tests.hub.one_node", redis.url, nodes.prefix]
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with connect(f"{url}?name=bo", proxy=None):
            await ada.wait(lambda m: m["type"] == "user_joined" and people(m)[0]["name"] == "bo")
            process.kill()
            async with beating(here):
                gone = await ada.next("user_left")
            assert (gone["payload"]["name"], gone["payload"]["user_count"]) == ("bo", 1)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
