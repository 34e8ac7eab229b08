"""Serves with ``websockets`` and a probe, and raw clients for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.uri import parse_uri

from rtmon import Monitor, probe
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.testing import until

__all__ = [
    "RawClient",
    "dead",
    "echo",
    "ended",
    "events",
    "row_of",
    "serving",
    "upgraded",
    "url_of",
]


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def serving(
    handler: Callable[[ServerConnection], Awaitable[None]] = echo,
    *,
    monitor: Monitor | None = None,
    fast: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[Monitor, Server, str]]:
    """Serve with a probe, and yield the Monitor, the server and its URL.

    Args:
        handler: the connection handler.
        monitor: the Monitor; a new one by default.
        fast: True to use the fast path in front of the probe.
        **options: options of ``websockets.serve()``.
    """
    monitor = monitor or Monitor(interval=1000)
    if "create_connection" not in options:
        options["create_connection"] = probe(monitor, fast=fast)
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield monitor, server, url_of(server, scheme="wss" if "ssl" in options else "ws")
    monitor.close()


def url_of(server: Server, *, scheme: str = "ws") -> str:
    """Return the URL of a server."""
    return f"{scheme}://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def upgraded(
    url: str, **options: Any
) -> tuple[ClientProtocol, asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect a raw client, which after its handshake reads and writes only when the test does.

    Args:
        url: URL of the server.
        **options: options of ``asyncio.open_connection()``.
    """
    if "sock" not in options:
        options |= {"host": "127.0.0.1", "port": int(url.rpartition(":")[2])}
    reader, writer = await asyncio.open_connection(**options)
    client = ClientProtocol(parse_uri(url))
    client.send_request(client.connect())
    writer.writelines(client.data_to_send())
    client.receive_data(await reader.readuntil(b"\r\n\r\n"))
    return client, reader, writer


async def ended(monitor: Monitor, *, closed: int = 1) -> None:
    """Wait until this many connections have ended."""
    await until(lambda: monitor.snapshot().closed == closed)
    monitor.tick()


def row_of(monitor: Monitor) -> ConnectionInfo:
    """Return the row of the only connection."""
    monitor.tick()
    (row,) = monitor.collector.connections()
    return row


async def dead(monitor: Monitor) -> ConnectionInfo:
    """Wait until the only connection has ended, and return its row."""
    await ended(monitor)
    return row_of(monitor)


def events(monitor: Monitor, kind: str) -> list[Event]:
    """Return the Events of one kind."""
    monitor.tick()
    return [event for event in monitor.collector.history.events() if event.kind == kind]


class RawClient:
    """A client that counts the bytes and frames on its own socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.bytes_sent = self.bytes_received = 0
        self.frames: list[Frame] = []
        self.protocol: ClientProtocol

    @classmethod
    async def connect(cls, url: str) -> RawClient:
        uri = parse_uri(url)
        client = cls(*await asyncio.open_connection(uri.host, uri.port))
        client.protocol = ClientProtocol(uri)
        client.protocol.send_request(client.protocol.connect())
        await client.flush()
        await client.read(lambda: client.protocol.state.name == "OPEN")
        return client

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.bytes_sent += len(data)
                self.writer.write(data)
        await self.writer.drain()

    async def read(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not enough():
                data = await self.reader.read(65536)
                self.bytes_received += len(data)
                if data:
                    self.protocol.receive_data(data)
                else:
                    self.protocol.receive_eof()
                self.frames += [e for e in self.protocol.events_received() if isinstance(e, Frame)]
                await self.flush()
                if not data:
                    break

    async def close(self) -> None:
        self.protocol.send_close(1000, "done")
        await self.flush()
        await self.read(lambda: False)
        self.writer.close()
