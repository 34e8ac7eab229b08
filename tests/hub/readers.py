"""WebSocket clients that stop reading, with socket buffers so small that they fill at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server as WebSocketServer

import rtmon
from rtmon.hub import Hub
from rtmon.servers.websockets import Server

BUFFER = 16_384
PAD = "x" * 4_000
LONG = 60.0
COUNT = 100


def small(server: WebSocketServer) -> str:
    """Give later connections of a server small send buffers, and return the server's URL."""
    for listening in server.sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(target: Any, **options: Any) -> AsyncIterator[Server]:
    """Serve a hub or handler with small socket send buffers."""
    async with rtmon.serve(target, "127.0.0.1", 0, compression=None, **options) as server:
        small(server.websockets)
        yield server


async def come(url: str, name: str = "slow") -> ClientConnection:
    """Connect a WebSocket client with a small socket receive buffer."""
    host, port = url.removeprefix("ws://").rstrip("/").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return await connect(f"{url}/?name={name}", sock=sock, compression=None, ping_interval=None)


async def subscribe(client: ClientConnection, channel: str = "c") -> None:
    """Subscribe a client to a channel, and wait for the hub's ack."""
    await client.send(json.dumps({"type": "subscribe", "payload": {"channel": channel}, "id": "s"}))
    await wait(client, lambda message: message.get("reply_to") == "s")


async def wait(client: ClientConnection, wanted: Any) -> Any:
    """Return the next message for which ``wanted`` is true."""
    async with asyncio.timeout(LONG):
        while True:
            message = json.loads(await client.recv())
            if wanted(message):
                return message


async def publications(client: ClientConnection, *, last: Any) -> list[dict[str, Any]]:
    """Return all publications that a client receives, up to the one whose ``n`` is ``last``."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["data"]["n"] != last:
        message = await wait(client, lambda message: message["type"] == "publication")
        found.append(message["payload"])
    return found


def row(server: Server, name: str = "slow") -> Any:
    """Tick the server's Monitor, and return the connections-table row of the client with this
    name.
    """
    server.monitor.tick()
    return next(r for r in server.monitor.collector.connections() if r.name == name)


async def fill(hub: Hub) -> Any:
    """Publish until 20 messages to the hub's only client were dropped, and return its peer."""
    peer = next(iter(hub.connections.values())).peer
    assert peer.meter is not None
    refused = 0
    while refused < 20:
        before = peer.meter.dropped
        await hub.publish("c", {"n": -1, "pad": PAD}, slow="drop_newest")
        await asyncio.sleep(0.002)
        refused = refused + 1 if peer.meter.dropped > before else 0
    return peer
