"""Shutdown of servers: which connections they wait for, and which they drop.

Tests of dropped connections set infinite timeouts in the library. The server could not stop at all
if it waited for such a connection, however slow the machine is.
"""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.server import ServerProtocol

import rtmon
from rtmon import Monitor, serve_admin
from rtmon.cli.serve import CLOSE_TIMEOUT
from rtmon.servers import admin_listener, server_base
from rtmon.servers.asgi import GRACE
from rtmon.servers.websockets import UNASKED_TIMEOUT
from rtmon.testing import until

FOREVER: dict[str, Any] = {"open_timeout": None, "close_timeout": None, "ping_interval": None}
LONG = 60.0


async def echo(connection: Any) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def silent(url: str, said: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """Connect a client, as browsers do in advance, that sends no request or only these bytes."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    try:
        yield reader
    finally:
        writer.close()


async def refused(url: str) -> str:
    """Return the error text of a client whose handshake is rejected."""
    with pytest.raises(InvalidHandshake) as error:
        await connect(url)
    return str(error.value)


async def test_server_shutdown_drops_connections_without_a_complete_request() -> None:
    """Server that closes drops connections without a complete request, and closes open clients
    with 1001.
    """
    async with (
        rtmon.serve(echo, "127.0.0.1", 0, **FOREVER) as server,
        silent(server.url) as nothing,
        silent(server.url, b"GET / HTTP/1.1\r\nHost: x\r\n") as half,
        connect(server.url) as client,
    ):
        await client.send("one that is open is told, as ever")
        await client.recv()
        async with asyncio.timeout(LONG):
            await server.aclose()
            assert await nothing.read() == await half.read() == b""
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert client.close_code == 1001


async def test_admin_listener_shutdown_drops_silent_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Admin listener that closes drops connections without a request, and clients that do not
    read their close frame.
    """
    forever = functools.partial(websockets_serve, open_timeout=None)
    monkeypatch.setattr("rtmon.servers.admin_listener.serve", forever)
    monitor = Monitor()
    async with (
        serve_admin(monitor, port=0) as listener,
        silent(listener.url),
        connect(f"{listener.url}/feed") as watcher,
    ):
        watcher.transport.pause_reading()
        async with asyncio.timeout(LONG):
            await listener.aclose()
        watcher.transport.abort()
    monitor.close()


async def test_server_closes_after_abort_although_clients_do_not_respond() -> None:
    """Server closes after ``abort()`` although clients do not read, answer no close frame or
    have sent no request.
    """
    async with (
        rtmon.serve(echo, "127.0.0.1", 0, **FOREVER) as server,
        silent(server.url),
        connect(server.url) as one,
        connect(server.url) as another,
    ):
        await until(lambda: len(server.websockets.connections) == 2, timeout=LONG)
        for client in (one, another):
            client.transport.pause_reading()
        leaving = asyncio.create_task(next(iter(server.websockets.connections)).close())
        await until(lambda: len(server.websockets.connections) == 1, timeout=LONG)
        server.close()
        server.abort()
        async with asyncio.timeout(LONG):
            await server.wait_closed()
            await leaving
        for client in (one, another):
            client.transport.abort()


async def test_request_during_shutdown_gets_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server answers a request whose ``process_request`` still runs during the shutdown with
    503.
    """
    monkeypatch.setattr(
        "rtmon.servers.websockets.UNASKED_TIMEOUT", LONG
    )  # long enough for a slow machine
    entered, go = asyncio.Event(), asyncio.Event()

    async def slowly(*_: Any) -> None:
        entered.set()
        await go.wait()

    server = await rtmon.serve(echo, "127.0.0.1", 0, process_request=slowly)
    coming = asyncio.create_task(refused(server.url))
    await entered.wait()
    server.close()
    await until(lambda: not server.websockets.is_serving(), timeout=LONG)
    go.set()
    async with asyncio.timeout(LONG):
        assert "503" in await coming
        await server.wait_closed()


async def test_servers_list_of_connections_drops_deleted_ones() -> None:
    """Server's list of connections stays below 300 entries after 1,000 connections were created
    and deleted.
    """
    server: Any = None
    clients = server_base.ConnectionFactory(lambda: ServerConnection(ServerProtocol(), server))
    kept = [clients() for _ in range(100)]
    for _ in range(1000):
        clients()
        gc.collect(0)
    assert len(clients._made) < 300
    gc.collect()
    assert clients._alive()[: len(kept)] == kept


def test_transports_docs_state_the_close_timeouts_of_the_servers() -> None:
    """Page docs/transports.md states the close timeouts of the server and the admin listener."""
    page = (Path(__file__).parents[2] / "docs" / "transports.md").read_text(encoding="utf-8")
    stopping = page.partition("## Stopping")[2].partition("## ")[0]
    assert UNASKED_TIMEOUT == CLOSE_TIMEOUT == GRACE
    assert f"{CLOSE_TIMEOUT:g} seconds" in stopping
    assert f"{admin_listener.CLOSE_TIMEOUT:g} seconds" in stopping
