"""Clients that stop responding: they leave the hub at the keepalive timeout, before TCP's."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.version import version

import rtmon
from rtmon import Hub
from rtmon.asgi import serve as serve_asgi
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.probes.websockets.inlined_calls import TESTED
from rtmon.testing import until
from tests.hub.redis_server import RedisServer


def _pinging(seconds: float) -> dict[str, float]:
    return {"ping_interval": seconds, "ping_timeout": seconds}


SOON = 4.0
"""Time limit in seconds, far below the 30 s for which ``websockets`` awaits a close frame."""

STOPPED = 15.0
"""Time limit in seconds for a stopped client, whose keepalive fails after two; other time limits
are a minute or longer."""

CHILD = """
import asyncio, sys
from websockets.asyncio.client import connect
async def main(url, *codec):
    async with connect(url, subprotocols=codec or None, compression=None, proxy=None) as client:
        if codec == ("rtmon.v1.json",):
            await client.send('{"type": "subscribe", "payload": {"channel": "c"}, "id": "s"}')
        if codec == ("rtmon.v1.msgpack",):
            import msgspec
            said = {"type": "subscribe", "payload": {"channel": "c"}, "id": "s"}
            await client.send(msgspec.msgpack.encode(said))
        print(flush=True)
        async for _ in client:
            pass
asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def _native(hub: Hub, keepalive: float = 0.4) -> AsyncIterator[str]:
    options: dict[str, Any] = {**_pinging(keepalive), "close_timeout": 30}
    async with rtmon.serve(hub, "127.0.0.1", 0, **options) as server:
        yield server.url
        server.abort()
        server.monitor.tick()
        kinds = {event.kind for event in server.monitor.collector.history.events()}
    assert "fast path off" not in kinds or version not in TESTED


@asynccontextmanager
async def _library(hub: Hub, keepalive: float = 0.4) -> AsyncIterator[str]:
    options: dict[str, Any] = {**serve_arguments(hub), **_pinging(keepalive), "close_timeout": 30}
    async with serve(handler(hub), "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        for connection in list(server.connections):
            connection.transport.abort()


@asynccontextmanager
async def _asgi(hub: Hub, keepalive: float = 0.4) -> AsyncIterator[str]:
    async with serve_asgi(hub, "127.0.0.1", 0, **_pinging(keepalive)) as server:
        yield f"{server.url}/ws"


async def _heard(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := json.loads(await client.recv()))["type"] != kind:
        pass
    found: dict[str, Any] = message["payload"]
    return found


@pytest.mark.parametrize("codec", ["rtmon.v1.json", "rtmon.v1.msgpack"])
@pytest.mark.parametrize("door", [_native, _library, _asgi], ids=["native", "library", "asgi"])
async def test_frozen_client_leaves_presence_when_its_keepalive_fails(
    door: Any, codec: Any
) -> None:
    """Client that stops reading is announced as left and removed from presence when its
    keepalive ping times out.
    """
    hub = Hub(announce=0.02)
    async with door(hub) as url, connect(f"{url}?name=bo", proxy=None) as bo:
        options: Any = {"proxy": None, "subprotocols": [codec], "ping_interval": None}
        frozen = await connect(f"{url}?name=eve", **options)
        assert await _heard(bo, "user_joined")
        frozen.transport.pause_reading()
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(SOON):
            left = await _heard(bo, "user_left")
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert "eve" in json.dumps(left)
        assert '"bo"' not in json.dumps(left)
        assert [each.name for each in hub.connections.values()] == ["bo"]
        await bo.send(json.dumps({"type": "presence", "payload": {}, "id": "p"}))
        assert (await _heard(bo, "presence"))["count"] == 1
        frozen.transport.abort()


async def test_client_that_reads_again_after_its_keepalive_timeout_is_ignored_and_closed() -> None:
    """Client that reads again after its keepalive timeout is closed with 1011, and its late
    message reaches no other client.
    """
    hub = Hub(announce=0.02)
    async with _native(hub) as url, connect(f"{url}?name=bo", proxy=None) as bo:
        frozen = await connect(f"{url}?name=eve", proxy=None, ping_interval=None)
        frozen.transport.pause_reading()
        async with asyncio.timeout(SOON):
            await _heard(bo, "user_left")
        await frozen.send(json.dumps({"type": "chat_message", "payload": {"text": "late"}}))
        frozen.transport.resume_reading()
        async with asyncio.timeout(SOON):
            await frozen.wait_closed()
        assert (frozen.close_code, frozen.close_reason) == (1011, "keepalive ping timeout")
        await bo.send(json.dumps({"type": "ping", "payload": {}, "id": "p"}))
        kinds = []
        while not kinds or kinds[-1] != "pong":
            kinds.append(json.loads(await bo.recv())["type"])
        assert "chat_message" not in kinds
        await until(lambda: len(hub.connections) == 1)


async def test_clients_of_another_node_are_told_when_a_keepalive_fails(tmp_path: Path) -> None:
    """Clients of another node are told that a client has left when the keepalive ping to that
    client times out.
    """
    redis = RedisServer(tmp_path)
    try:
        hubs = [Hub(announce=0.02, broker=RedisBroker(redis.url)) for _ in range(2)]
        async with _native(hubs[0]) as one, _native(hubs[1]) as two:
            async with connect(f"{two}?name=bo", proxy=None) as bo:
                frozen = await connect(f"{one}?name=eve", proxy=None, ping_interval=None)
                async with asyncio.timeout(SOON):
                    while "eve" not in json.dumps(await _heard(bo, "user_joined")):
                        pass
                frozen.transport.pause_reading()
                async with asyncio.timeout(SOON):
                    assert "eve" in json.dumps(await _heard(bo, "user_left"))
                frozen.transport.abort()
            for hub in hubs:
                await hub.aclose()
    finally:
        redis.close()


@asynccontextmanager
async def _child(url: str, *codec: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a client in its own process."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, *codec, stdout=pipe
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline()
        yield process
    finally:
        process.kill()
        await process.wait()


async def _check_stopped(door: Any, codec: str) -> None:
    hub = Hub(stalled=60, max_waiting_age=60, slow="drop_oldest")
    async with door(hub, 1.0) as url, _child(url, codec) as client:
        await until(lambda: hub.registry.count("channel:c"))
        client.send_signal(signal.SIGSTOP)
        began = asyncio.get_running_loop().time()
        for _ in range(200):
            await hub.publish("c", "x" * 60_000)
            await asyncio.sleep(0)
        peer: Any
        (peer,) = (each.peer for each in hub.connections.values())
        assert peer.waiting > 60_000
        await until(lambda: not hub.connections, timeout=STOPPED)
        assert asyncio.get_running_loop().time() - began >= 1.0
        await until(lambda: peer._over, timeout=STOPPED)  # The connection itself has ended too.


async def test_hub_removes_a_suspended_client_with_a_full_queue_at_the_keepalive_timeout() -> None:
    """Hub removes a client process suspended by SIGSTOP at the keepalive timeout, although the
    ping to the client is queued behind unsent messages.
    """
    await _check_stopped(_native, "rtmon.v1.json")


@pytest.mark.matrix
@pytest.mark.parametrize("codec", ["rtmon.v1.json", "rtmon.v1.msgpack"])
@pytest.mark.parametrize("door", [_native, _library, _asgi], ids=["native", "library", "asgi"])
async def test_hub_removes_a_suspended_client_at_the_keepalive_timeout_on_each_server_and_codec(
    door: Any, codec: str
) -> None:
    """Hub removes a client process suspended by SIGSTOP at the keepalive timeout on each server
    and with each codec.
    """
    await _check_stopped(door, codec)


async def test_send_raises_connection_closed_when_a_suspended_client_times_out() -> None:
    """Handler's ``send()`` to a client process suspended by SIGSTOP raises ConnectionClosed at the
    keepalive timeout.
    """
    stopped = asyncio.Event()
    told: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    async def handle(connection: ServerConnection) -> None:
        await stopped.wait()
        try:
            while True:
                await connection.send("x" * 60_000)
        except ConnectionClosed as closed:
            told.set_result(closed.sent)

    options: dict[str, Any] = {**_pinging(1.0), "stall_timeout": None, "close_timeout": 60}
    async with (
        rtmon.serve(handle, "127.0.0.1", 0, **options) as server,
        _child(server.url) as client,
    ):
        client.send_signal(signal.SIGSTOP)
        stopped.set()
        async with asyncio.timeout(STOPPED):
            assert await told == Close(1011, "keepalive ping timeout")
        await until(lambda: server.monitor.snapshot().open == 0, timeout=STOPPED)
        server.monitor.tick()
        (row,) = server.monitor.collector.connections()
        assert row.cause in {"ping timeout", "slow consumer"}
