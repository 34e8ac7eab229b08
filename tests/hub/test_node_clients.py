"""Clients that are connected to other hub nodes, with a real Redis server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import node_requests
from rtmon.protocol.codecs import JSON
from rtmon.testing import until
from tests.hub.clients import SocketClient
from tests.hub.nodes import Nodes
from tests.hub.redis_server import RedisServer


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """The hub nodes of one test."""
    async with Nodes.opened() as opened:
        yield opened


async def test_hub_finds_sends_to_moves_and_closes_a_client_of_another_node(
    redis: RedisServer, nodes: Nodes
) -> None:
    """Hub finds a client of another node, sends to the client, adds it to a room and removes
    it, and closes its connection.
    """
    one, two = await nodes.open(redis.url), await nodes.open(redis.url)
    ada = await two.connect("ada", user="u1")
    await ada.ask("subscribe", {"channel": "news"})
    assert one.hub.client(ada.id) is None
    client: Any = await one.hub.find(ada.id)
    assert (client.id, client.name, client.user) == (ada.id, "ada", "u1")
    assert (client.transport, client.path) == ("websocket", "/")
    assert client.address == two.hub.client(ada.id).address
    assert (list(client.rooms), list(client.subscriptions)) == ([], ["news"])
    assert client.since == two.hub.client(ada.id).since
    assert 0 <= client.idle < 60
    assert client == two.hub.client(ada.id)
    await client.send("mine", {"n": [1.5, "é"]})
    assert (await ada.next("mine"))["payload"] == {"n": [1.5, "é"]}
    receipt = await one.hub.send(ada.id, "mine", {"n": 2})
    assert (receipt.local, receipt.total) == (0, 1)
    assert await client.join("red")
    assert not await client.join("red")
    assert [each.id for each in two.hub.members("red")] == [ada.id]
    assert await client.leave("red")
    assert not await client.leave("red")
    with pytest.raises(OptionError):
        await client.close(99, "no code")
    await client.close(4600, "kicked")
    assert await ada.close_code() == 4600
    await until(lambda: not two.hub.clients())
    await client.close(4600, "again")
    assert not client.open
    with pytest.raises(ProtocolError) as caught:
        await client.send("mine")
    assert caught.value.code == "unknown_client"


async def test_client_is_in_a_room_once_when_two_nodes_and_the_client_join_at_once(
    redis: RedisServer, nodes: Nodes
) -> None:
    """Client that joins a room itself, while applications on two nodes add it, is in the room
    once.
    """
    one, two = await nodes.open(redis.url), await nodes.open(redis.url)
    ada = await one.connect("ada")
    await ada.ask("ping")
    here, there = one.hub.client(ada.id), await two.hub.find(ada.id)
    await ada.send("join_room", {"room": "red"})
    joined = await asyncio.gather(*[each.join("red") for each in (here, there) * 3])
    assert sum(joined) <= 1
    assert (await two.hub.say("red", "once")).total == 1
    await ada.next("room_message")
    await here.leave("red")
    assert (await two.hub.say("red", "never")).total == 0
    assert "room_message" not in [message["type"] for message in await ada.quiet()]
    assert "room:red" not in one.hub.context.broker._delivery._held


async def test_receipt_counts_receivers_on_this_node_and_on_all_nodes(
    redis: RedisServer, nodes: Nodes
) -> None:
    """Receipt of a message counts its receivers on this node (``local``) and on all nodes
    (``total``).
    """
    one, two = await nodes.open(redis.url), await nodes.open(redis.url)
    ada, bo, cy = await one.connect("ada"), await two.connect("bo"), await two.connect("cy")
    receipt = await one.hub.broadcast("tick", {"n": 1}, exclude=cy.id)
    assert (receipt.local, receipt.total) == (1, 2)
    for client in (ada, bo):
        assert (await client.next("tick"))["payload"] == {"n": 1}
    assert "tick" not in [message["type"] for message in await cy.quiet()]
    for client in (ada, bo, cy):
        await client.ask("join_room", {"room": "red"})
        await client.ask("subscribe", {"channel": "news"})
    said = await one.hub.say("red", "hello", exclude=[bo.id])
    assert (said.local, said.total) == (1, 2)
    assert (await cy.next("room_message"))["payload"]["text"] == "hello"
    assert "room_message" not in [message["type"] for message in await bo.quiet()]
    published = await two.hub.publish("news", 1)
    assert (published.local, published.total) == (2, None)
    published = await two.hub.publish("news", 1, total=True)
    assert (published.local, published.total) == (2, 3)
    eve = await two.connect("eve", user="u1")
    fay = await one.connect("fay", user="u1")
    for client in (eve, fay):
        await client.ask("ping")
    sent = one.hub.notify("u1", "Hello")
    assert (sent.local, sent.total) == (1, None)
    sent = await one.hub.notify("u1", "Hello again", total=True)
    assert (sent.local, sent.total) == (1, 2)
    for client in (eve, fay):
        titles = [(await client.next("notification"))["payload"]["title"] for _ in range(2)]
        assert titles == ["Hello", "Hello again"]


async def test_receipt_has_no_total_until_a_killed_node_is_removed(
    redis: RedisServer, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receipts have no total, and messages to clients of a killed node fail, until the other
    nodes remove that node.
    """
    one, two = await nodes.open(redis.url), await nodes.open(redis.url)
    ada = await two.connect("ada")
    program = [sys.executable, "-m", "tests.hub.one_node", redis.url, nodes.prefix, "600"]
    killed = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    assert killed.stdout is not None
    try:
        url = (await killed.stdout.readline()).decode().strip()
        async with connect(url, proxy=None) as connection:
            bo = SocketClient(connection, JSON)
            bo.welcome = await bo.next("welcome")
            await bo.ask("ping")  # After the reply, the other nodes know this client.
            client: Any = await one.hub.find(bo.id)
            await client.send("mine")
            await bo.next("mine")
            assert (await one.hub.broadcast("tick")).total == 2
            killed.kill()
    finally:
        if killed.returncode is None:
            killed.kill()
        await killed.wait()
    with monkeypatch.context() as patch:
        patch.setattr(node_requests, "ACT_TIMEOUT", 0.1)
        with pytest.raises(ProtocolError) as caught:
            await client.send("mine")
    assert caught.value.code == "no_answer"
    receipt = await one.hub.broadcast("tick")
    assert (receipt.local, receipt.total) == (0, None)
    assert (await one.hub.send(ada.id, "mine")).total == 1
    await give_up_the_dead(redis, one, two)
    assert await one.hub.find(bo.id) is None
    async with asyncio.timeout(60):
        while (await one.hub.broadcast("tick")).total != 1:
            pass
    with pytest.raises(ProtocolError) as caught:
        await client.join("red")
    assert caught.value.code == "unknown_client"


async def give_up_the_dead(redis: RedisServer, *living: Any) -> None:
    """Expire all nodes in Redis except ``living``, and make the living nodes remove them."""
    brokers = [place.hub.context.broker for place in living]
    names = f"{brokers[0].prefix}nodes"
    for name in redis.ask("ZRANGE", names, 0, -1):
        if name.decode() not in {broker.node for broker in brokers}:
            redis.ask("ZADD", names, 0, name)
    for _ in range(5):
        for broker in brokers:
            await broker.beat()


async def test_broadcast_reaches_clients_of_this_node_when_redis_is_unreachable(
    own_redis: RedisServer, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub's ``broadcast()`` reaches the clients of this node, without a total, when Redis is
    suspended or stopped.
    """
    monkeypatch.setattr(node_requests, "ACT_TIMEOUT", 0.3)
    monkeypatch.setattr(node_requests, "COUNT_TIMEOUT", 0.3)
    one = await nodes.open(own_redis.url)
    ada = await one.connect("ada")
    await ada.ask("ping")
    own_redis.pause()
    receipt = await one.hub.broadcast("tick")
    assert (receipt.local, receipt.total) == (1, None)
    await ada.next("tick")
    with pytest.raises(ProtocolError) as caught:
        await one.hub.find("elsewhere")
    assert caught.value.code == "no_answer"
    own_redis.resume()
    async with asyncio.timeout(60):
        while (await one.hub.broadcast("tick")).total is None:
            await ada.next("tick")
    own_redis.stop()
    await until(lambda: one.hub.away is not None)
    receipt = await one.hub.broadcast("tick")
    assert (receipt.local, receipt.total) == (1, None)
    await ada.next("tick")
    with pytest.raises(ProtocolError) as caught:
        await one.hub.find("elsewhere")
    assert caught.value.code == "unavailable"


async def test_send_raises_unknown_client_when_the_client_disconnects_meanwhile(
    redis: RedisServer, nodes: Nodes
) -> None:
    """Client object's ``send()`` raises ``unknown_client`` when the client disconnects before
    its node has handled the request.
    """
    one, two = await nodes.open(redis.url), await nodes.open(redis.url)
    ada = await two.connect("ada")
    client: Any = await one.hub.find(ada.id)
    heard = asyncio.Event()
    two.hub._parts.calls.act = lambda _: (
        heard.set()
    )  # A node that does not have the client ignores the request.
    asking = asyncio.create_task(client.send("mine"))
    await heard.wait()
    await ada.leave()
    with pytest.raises(ProtocolError) as caught:
        await asking
    assert caught.value.code == "unknown_client"
    assert not client.open
