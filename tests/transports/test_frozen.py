"""Clients that are frozen: gone from the hub when their keepalive fails, not when TCP gives up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.version import version

import rtmon
from rtmon import Hub
from rtmon.asgi import serve as serve_asgi
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.probes.websockets.flat import TESTED
from rtmon.testing import until
from tests.hub.redis_server import RedisServer

KEEPALIVE = {"ping_interval": 0.4, "ping_timeout": 0.4}
SOON = 4.0
"""Far below the 30 s that the library waits for the close frame's answer here."""


@asynccontextmanager
async def _native(hub: Hub) -> AsyncIterator[str]:
    async with rtmon.serve(hub, "127.0.0.1", 0, close_timeout=30, **KEEPALIVE) as server:
        yield server.url
        server.abort()
        server.monitor.tick()
        kinds = {event.kind for event in server.monitor.collector.history.events()}
    assert "fast path off" not in kinds or version not in TESTED


@asynccontextmanager
async def _library(hub: Hub) -> AsyncIterator[str]:
    options: dict[str, Any] = {**serve_arguments(hub), **KEEPALIVE, "close_timeout": 30}
    async with serve(handler(hub), "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        for connection in list(server.connections):
            connection.transport.abort()


@asynccontextmanager
async def _asgi(hub: Hub) -> AsyncIterator[str]:
    async with serve_asgi(hub, "127.0.0.1", 0, **KEEPALIVE) as server:
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
    """Others hear that it left, and presence has it no more, once the ping timeout is over."""
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


async def test_frozen_client_that_thaws_is_ignored_and_closed() -> None:
    """What it had sent, and sends then, reaches nobody: it has left; it is told why."""
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


async def test_other_node_hears_that_a_frozen_client_left(tmp_path: Path) -> None:
    """With Redis between them, a client of another node is told as soon."""
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
