"""Servers whose connections die, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from rtmon import Monitor, probe
from rtmon.metrics.records import ConnectionInfo
from rtmon.testing import until

__all__ = ["dead", "echo", "serving", "upgraded"]


async def echo(connection: ServerConnection) -> None:
    """Give each message back."""
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def serving(
    handler: Callable[[ServerConnection], Awaitable[None]] = echo,
    *,
    monitor: Monitor | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Monitor, Server, str]]:
    """Serve with a probe: the Monitor, the server, its address."""
    monitor = monitor or Monitor(interval=1000)
    options = {"create_connection": probe(monitor), **options}
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield monitor, server, f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{port}"
    monitor.close()


async def upgraded(
    url: str, **options: Any
) -> tuple[ClientProtocol, asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that reads and writes only when it is told to, after its handshake.

    Args:
        url: of the server.
        **options: of ``asyncio.open_connection``.
    """
    if "sock" not in options:
        options |= {"host": "127.0.0.1", "port": int(url.rpartition(":")[2])}
    reader, writer = await asyncio.open_connection(**options)
    client = ClientProtocol(parse_uri(url))
    client.send_request(client.connect())
    writer.writelines(client.data_to_send())
    client.receive_data(await reader.readuntil(b"\r\n\r\n"))
    return client, reader, writer


async def dead(monitor: Monitor) -> ConnectionInfo:
    """The one connection's row, once it has closed."""
    await until(lambda: monitor.snapshot().closed == 1)
    monitor.tick()
    (row,) = monitor.collector.connections()
    return row
