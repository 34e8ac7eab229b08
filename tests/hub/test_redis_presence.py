"""Presence of clients after Redis was unreachable, emptied, full or overloaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtmon.errors import ProtocolError
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.protocol import limits
from rtmon.protocol.catalog import Member
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
    broker = place.hub.context.broker
    assert isinstance(broker, RedisBroker)
    return broker


async def present(place: Place, key: str = "chat") -> set[str]:
    """Return the names of the clients that are present in a channel, a room or the chat."""
    return {each.name for each in (await broker_of(place).present(key, limit=1000)).members}


async def test_nodes_restore_presence_when_redis_is_emptied(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Nodes restore the presence of their connected clients after Redis was emptied."""
    here, there = await nodes.open(own_redis.url), await nodes.open(own_redis.url)
    await here.connect("ada")
    await there.connect("bo")
    await until(lambda: own_redis.ask("ZCARD", f"{broker_of(here).prefix}who:chat") == 2)
    own_redis.ask("FLUSHALL")
    assert await present(here) == set()
    for place in (here, there):
        await broker_of(place).beat()
    assert await present(here) == {"ada", "bo"}


async def test_full_redis_refuses_publications_but_keeps_clients_and_nodes(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """Hub refuses publications while Redis is full, but accepts new clients, which are present
    once Redis has memory again.
    """
    here, there = await nodes.open(own_redis.url), await nodes.open(own_redis.url)
    ada = await here.connect("ada")
    own_redis.ask("CONFIG", "SET", "maxmemory", 1)
    await broker_of(there).beat()
    with pytest.raises(ProtocolError) as refused:
        await there.hub.publish("news", 1)
    assert refused.value.code == "unavailable"
    await there.connect("bo")
    assert there.hub.away is None
    assert await present(there) == {"ada"}
    own_redis.ask("CONFIG", "SET", "maxmemory", 0)
    await broker_of(there).beat()
    assert await present(here) == {"ada", "bo"}
    await ada.wait(lambda m: m["type"] == "user_joined" and m["payload"]["name"] == "bo")


async def test_name_changed_during_a_redis_outage_appears_in_presence_afterwards(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Name that a client sets while Redis is unreachable appears in presence when Redis is
    reachable again.
    """
    here = await nodes.open(redis.url)
    async with FaultProxy(f"ws://127.0.0.1:{redis.port}") as proxy:
        there = await nodes.open(f"redis://127.0.0.1:{proxy.port}/0")
        bo = await there.connect("bo")
        await bo.ask("ping")
        proxy.refusing = True
        proxy.cut()
        await until(lambda: there.hub.away is not None)
        await broker_of(there).join("chat", Member(client_id=bo.id, name="robert"))
        proxy.calm()
        await until(lambda: there.hub.away is None)
        assert await present(here) == {"robert"}
        await nodes.places.pop().aclose()


async def test_client_that_leaves_while_presence_is_restored_is_not_present(
    nodes: Nodes, redis: RedisServer, monkeypatch: Any
) -> None:
    """Client that leaves while its node restores presence in Redis is not present afterwards."""
    broker = broker_of(await nodes.open(redis.url))
    everybody = [Member(client_id=f"c{n}", name=f"n{n}") for n in range(202)]
    await asyncio.gather(*[broker.join("chat", each) for each in everybody])
    redis.ask("DEL", *[f"{broker.prefix}{kind}:chat" for kind in ("who", "info", "here")])
    redis.ask("DEL", f"{broker.prefix}mine:{broker.node}")
    ask, leaving = broker._connection.ask, []

    def watched(script: str, *arguments: Any) -> asyncio.Future[Any]:
        if script == "join" and not leaving:
            monkeypatch.setattr(broker._connection, "state", "away")
            leaving.extend([asyncio.ensure_future(broker.leave("chat", f"c{n}")) for n in (0, 201)])
        return ask(script, *arguments)

    monkeypatch.setattr(broker._connection, "ask", watched)
    await broker.begin()
    await asyncio.gather(*leaving)
    monkeypatch.undo()
    assert (await broker.present("chat", limit=0)).count == 200


async def test_overload_refuses_publications_but_not_presence_changes(
    nodes: Nodes, redis: RedisServer
) -> None:
    """Node whose queue to Redis is full refuses publications with ``overloaded``, but still sends
    its heartbeat and the departures of its clients.
    """
    place = await nodes.open(redis.url)
    broker = broker_of(place)
    await broker.join("chat", Member(client_id="c", name="bo"))
    waiting = [
        broker._connection.ask("sync", broker.prefix, -1, "", 0, "e")
        for _ in range(limits.BROKER_QUEUE)
    ]
    beat = asyncio.ensure_future(broker.beat())
    with pytest.raises(ProtocolError) as refused:
        await place.hub.publish("news", 1)
    assert refused.value.code == "overloaded"
    assert await broker.leave("chat", "c") == 0
    await asyncio.gather(beat, *waiting)
    assert place.hub.away is None
