"""Order of one client's publications while Redis is interrupted, killed, suspended or full."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import rtmon
import rtmon.asgi
from rtmon.core.batch_buffer import Batch
from rtmon.hub import Hub
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.testing import FaultProxy, until
from tests.hub.conftest import TRANSPORTS
from tests.hub.nodes import QUICK, Nodes
from tests.hub.redis_server import RedisServer
from tests.peers.packages import install

COUNT = 150

KINDS = ("publish", "chat_message", "room_message")

CLIENTS: dict[str, dict[str, Any]] = {
    "python-json": {"codec": "json"},
    "python-msgpack": {"codec": "msgpack"},
    "python-batch": {"batch": Batch(size=20, delay=0.005)},
}

SCRIPTS = {"javascript": "websocket", "javascript-batch": "batch", "javascript-sse": "sse"}

KEPT = ("--appendonly", "yes", "--appendfsync", "always")
"""Redis options with which a killed Redis loses no acknowledged data."""


class Scene:
    """Two hub nodes that share a Redis server, and a client on the second one.

    Attributes:
        heard: the numbers that this client received, in the order of receipt.
    """

    def __init__(self, redis: RedisServer, server: str, timeout: float) -> None:
        self.redis = redis
        self.heard: list[int] = []
        self.hubs = [
            Hub(
                history=1_000,
                broker=RedisBroker(redis.url, timeout=timeout, backoff=QUICK),
                announce=0.02,
            )
            for _ in range(2)
        ]
        self._serve: Any = rtmon.serve if server == "native" else rtmon.asgi.serve

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve both nodes, subscribe the client, and yield the URL for the publisher."""
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(self._serve(hub, "127.0.0.1", 0))
                for hub in self.hubs
            ]
            for hub in self.hubs:
                stack.push_async_callback(hub.aclose)
                await until(lambda hub=hub: hub.away is None)
            reader = await stack.enter_async_context(rtmon.connect(servers[1].url, proxy=None))
            await reader.join("tea")

            for kind in ("chat_message", "room_message"):
                reader.on(kind)(lambda said: self.heard.append(int(said.payload["text"])))
            news = await stack.enter_async_context(reader.subscribe("news"))
            reading = asyncio.create_task(self._read(news))
            stack.callback(reading.cancel)
            # With this latency, an error reply arrives after later messages have been sent.
            proxy = await stack.enter_async_context(FaultProxy(servers[0]))
            proxy.latency = 0.03
            yield proxy.url

    async def _read(self, news: Any) -> None:
        async for message in news:
            self.heard.append(int(message.payload))

    async def reached(self, count: int) -> None:
        """Wait until the client has received more than this many messages."""
        await until(lambda: len(self.heard) > count)

    async def away(self) -> None:
        """Wait until neither node reaches Redis."""
        await until(lambda: all(hub.away is not None for hub in self.hubs))


async def connections_killed(scene: Scene) -> None:
    """Kill the nodes' command connections to Redis, twice."""
    for count in (40, 90):
        await scene.reached(count)
        scene.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def subscriptions_killed(scene: Scene) -> None:
    """Kill the nodes' subscription connections to Redis, twice."""
    for count in (40, 90):
        await scene.reached(count)
        scene.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")


async def flapping(scene: Scene) -> None:
    """Kill all connections to Redis ten times."""
    for count in range(5, 105, 10):
        await scene.reached(count)
        scene.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        scene.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")


async def killed(scene: Scene) -> None:
    """Kill Redis, and restart it with all acknowledged data."""
    await scene.reached(40)
    scene.redis.stop()
    await scene.away()
    scene.redis.start(*KEPT)


async def emptied(scene: Scene) -> None:
    """Kill Redis, and restart it without data."""
    await scene.reached(40)
    scene.redis.stop()
    await scene.away()
    scene.redis.start()


async def paused(scene: Scene) -> None:
    """Suspend Redis until both nodes have noticed."""
    await scene.reached(40)
    scene.redis.pause()
    await scene.away()
    scene.redis.resume()


async def full(scene: Scene) -> None:
    """Leave Redis no memory until it has refused three commands."""
    await scene.reached(40)
    scene.redis.ask("CONFIG", "SET", "maxmemory", 1)

    def refused() -> int:
        counts = scene.redis.ask("INFO", "errorstats")
        return int(counts.get("errorstat_OOM", {"count": 0})["count"])

    await until(lambda: refused() >= 3)
    scene.redis.ask("CONFIG", "SET", "maxmemory", 0)


DISTURBANCES = {
    each.__name__: each
    for each in (
        connections_killed,
        subscriptions_killed,
        flapping,
        killed,
        emptied,
        paused,
        full,
    )
}


async def send_all(url: str, kind: str, client: str) -> None:
    """Publish all numbers without waiting for replies, then wait until the server has
    acknowledged them.
    """
    if client in SCRIPTS:
        install()
        script = Path(__file__).parents[1] / "web" / "publisher.mjs"
        words = [str(script), url, kind, str(COUNT), SCRIPTS[client]]
        process = await asyncio.create_subprocess_exec(shutil.which("node") or "node", *words)
        try:
            assert await process.wait() == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return
    async with rtmon.connect(url, proxy=None, **CLIENTS[client]) as publisher:
        if kind == "room_message":
            await publisher.join("tea")
        for number in range(COUNT):
            payloads = {
                "publish": {"channel": "news", "data": str(number)},
                "chat_message": {"text": str(number)},
                "room_message": {"room": "tea", "text": str(number)},
            }
            await publisher.send(kind, payloads[kind])
            await asyncio.sleep(0.002)
        await publisher.flush()


async def check(redis: RedisServer, disturbance: str, kind: str, client: str, server: str) -> None:
    """Publish while Redis is disturbed; check that all messages arrive once and in order."""
    disturb: Callable[[Scene], Coroutine[Any, Any, None]] = DISTURBANCES[disturbance]
    if disturb is killed:
        redis.stop()
        redis.start(*KEPT)
    scene = Scene(redis, server, timeout=1.0 if disturb is paused else 60.0)
    async with scene.open() as url:
        async with asyncio.TaskGroup() as both:
            both.create_task(send_all(url, kind, client))
            both.create_task(disturb(scene))
        await until(lambda: scene.heard[-1] == COUNT - 1)
        if disturb is emptied:
            # Messages that only the killed Redis had may be lost; clients then receive a gap.
            assert scene.heard == sorted(set(scene.heard))
        else:
            assert scene.heard == list(range(COUNT))


@pytest.mark.parametrize(
    ("disturbance", "kind", "client", "server"),
    [
        ("connections_killed", "publish", "python-json", "native"),
        ("connections_killed", "chat_message", "javascript", "native"),
        ("paused", "chat_message", "python-msgpack", "asgi"),
        ("full", "room_message", "python-batch", "native"),
    ],
)
async def test_messages_arrive_once_and_in_order_while_redis_is_disturbed(
    own_redis: RedisServer, disturbance: str, kind: str, client: str, server: str
) -> None:
    """Client's publications arrive once and in order while Redis is interrupted, suspended or
    full.
    """
    await check(own_redis, disturbance, kind, client, server)


def _matrix() -> list[tuple[str, str, str, str]]:
    """Return all combinations of disturbance, client and server; message types alternate."""
    cases = [
        (disturbance, client, server)
        for disturbance in DISTURBANCES
        for client in (*CLIENTS, *SCRIPTS)
        for server in ("native", "asgi")
        if (client, server) != ("javascript-sse", "native")  # Only the ASGI server has SSE.
    ]
    return [
        (disturbance, KINDS[number % 3], client, server)
        for number, (disturbance, client, server) in enumerate(cases)
    ]


@pytest.mark.matrix
@pytest.mark.parametrize(("disturbance", "kind", "client", "server"), _matrix())
async def test_each_client_librarys_messages_arrive_once_and_in_order_while_redis_is_disturbed(
    own_redis: RedisServer, disturbance: str, kind: str, client: str, server: str
) -> None:
    """Each client library's messages arrive in order and without duplicates on each server for
    each disturbance of Redis, and all arrive unless Redis is emptied.
    """
    await check(own_redis, disturbance, kind, client, server)


@pytest.mark.matrix
@pytest.mark.parametrize("kind", KINDS)
async def test_messages_arrive_once_and_in_order_when_redis_hangs_for_nine_seconds(
    own_redis: RedisServer, kind: str
) -> None:
    """Client's publications arrive once and in order when Redis hangs for nine seconds, longer
    than the broker's timeout.
    """
    scene = Scene(own_redis, "native", timeout=5.0)
    async with scene.open() as url:
        async with asyncio.TaskGroup() as both:
            both.create_task(send_all(url, kind, "python-json"))
            await scene.reached(40)
            own_redis.pause()
            await asyncio.sleep(9.0)
            own_redis.resume()
        await until(lambda: scene.heard[-1] == COUNT - 1)
        assert scene.heard == list(range(COUNT))


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """Hub nodes that share one Redis server."""
    async with Nodes.opened() as opened:
        yield opened


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_hub_refuses_later_messages_until_the_refused_message_is_sent_again(
    nodes: Nodes, own_redis: RedisServer, over: str
) -> None:
    """Hub answers ``unavailable`` to a client's later messages until the client sends its
    refused message again, but accepts other clients' messages.
    """
    place = await nodes.open(own_redis.url)
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await bo.ask("subscribe", {"channel": "news"})

    async def publish(number: int, **envelope: Any) -> dict[str, Any]:
        payload = {"channel": "news", "data": number, "ack": True}
        answer: dict[str, Any] = await ada.ask("publish", payload, **envelope)
        return answer

    own_redis.ask("CONFIG", "SET", "maxmemory", 1)
    answer = await publish(1, id="first")
    assert (answer["payload"]["code"], answer["payload"]["retry"]) == ("unavailable", True)
    assert answer["payload"]["retry_after"] > 0
    own_redis.ask("CONFIG", "SET", "maxmemory", 0)
    answer = await publish(2, id="second")
    assert (answer["payload"]["code"], answer["payload"]["retry"]) == ("unavailable", True)
    assert "before this one" in answer["payload"]["message"]

    others = {"channel": "news", "data": 0, "ack": True}
    async with asyncio.timeout(60):
        while (await bo.ask("publish", others, id="others"))["type"] != "ack":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await publish(1, id="first"))["type"] == "ack"
    assert (await publish(2, id="second"))["type"] == "ack"
    assert (await publish(3, id="third"))["type"] == "ack"
    assert await bo.published(3) == [1, 2, 3]


async def test_publications_keep_the_order_of_publish_calls_before_the_first_connection(
    own_redis: RedisServer,
) -> None:
    """Publications keep the order of the ``publish()`` calls although the first calls precede
    the first connection to Redis.
    """
    broker = RedisBroker(own_redis.url, timeout=60.0, backoff=QUICK)
    hub = Hub(broker=broker)
    await hub.start()
    publishing = []
    while hub.away is not None or len(publishing) < 100:
        publishing.append(asyncio.create_task(hub.publish("news", len(publishing))))
        await asyncio.sleep(0)
    offsets = [receipt.offset for receipt in await asyncio.gather(*publishing)]
    await hub.aclose()
    assert offsets == sorted(offsets)
