"""Who is there, as Redis is told of it when it was away, emptied, or is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtmon.errors import ProtocolError
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.protocol import limits
from rtmon.protocol.outgoing import Member
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
    """What a node has to do with Redis."""
    broker = place.hub.context.broker
    assert isinstance(broker, RedisBroker)
    return broker


async def present(place: Place, key: str = "chat") -> set[str]:
    """The names of those who are somewhere."""
    return {each.name for each in (await broker_of(place).present(key, limit=1000)).members}


async def test_redis_is_emptied_without_a_break(nodes: Nodes, own_redis: RedisServer) -> None:
    """When somebody empties Redis and no connection ends, nodes tell it again who is there."""
    here, there = await nodes.open(own_redis.url), await nodes.open(own_redis.url)
    await here.connect("ada")
    await there.connect("bo")
    await until(lambda: own_redis.ask("ZCARD", f"{broker_of(here).prefix}who:chat") == 2)
    own_redis.ask("FLUSHALL")
    assert await present(here) == set()
    for place in (here, there):
        await broker_of(place).beat()
    assert await present(here) == {"ada", "bo"}


async def test_a_full_redis_refuses_to_publish_and_no_more(
    nodes: Nodes, own_redis: RedisServer
) -> None:
    """When Redis has no memory left, publishing is refused, but nobody is sent away, nodes count as
    alive, and who comes meanwhile is counted once there is memory again, and told to others.
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


async def test_a_new_name_while_redis_is_away(nodes: Nodes, redis: RedisServer) -> None:
    """What somebody says of themselves while Redis is away is known to all when it is back."""
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


async def test_who_goes_while_redis_is_told_who_is_there(
    nodes: Nodes, redis: RedisServer, monkeypatch: Any
) -> None:
    """Who goes while a node that was away tells Redis of its clients, does not stay behind."""
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


async def test_too_much_to_publish_does_not_end_the_line(nodes: Nodes, redis: RedisServer) -> None:
    """While more is published than Redis takes, what comes on top is refused, and only that: a
    node still says that it lives, and who goes is gone.
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
