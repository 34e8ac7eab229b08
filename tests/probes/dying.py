"""Servers whose connections die, and what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from rtmon import Monitor, probe
from rtmon.metrics.records import ConnectionInfo
from rtmon.testing import until

__all__ = ["dead", "echo", "serving"]


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


async def dead(monitor: Monitor) -> ConnectionInfo:
    """The one connection's row, once it has closed."""
    await until(lambda: monitor.snapshot().closed == 1)
    monitor.tick()
    (row,) = monitor.collector.connections()
    return row
