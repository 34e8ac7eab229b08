"""A hub behind each kind of server, and raw TCP sockets as clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import rtmon
from rtmon import Hub, Monitor
from rtmon.asgi import guarded, measured
from rtmon.asgi import serve as serve_asgi
from rtmon.hub.transports.asgi import app
from tests.probes.serving import serving

__all__ = ["SERVERS", "HubServer", "Wire", "frame", "opened", "upgrade"]

SERVERS = ("native", "asgi", "uvicorn")
"""``rtmon.serve()``, ``rtmon.asgi.serve()``, and uvicorn with the options of ``guarded()``."""

LONG = 60.0


@dataclass
class HubServer:
    """A served hub with its Monitor."""

    kind: str
    hub: Hub
    monitor: Monitor
    port: int

    @property
    def url(self) -> str:
        """The URL for WebSocket clients."""
        return f"ws://127.0.0.1:{self.port}/ws"

    def rejected(self) -> int:
        """Return the number of rejected handshakes, each recorded as an Event."""
        self.monitor.tick()
        history = self.monitor.collector.history
        events = [event for event in history.events() if event.kind == "rejected"]
        assert all(event.detail for event in events)
        return len(events)


@asynccontextmanager
async def opened(kind: str, *, head: float = 10.0, **options: Any) -> AsyncIterator[HubServer]:
    """Serve a hub.

    Args:
        kind: one of :data:`SERVERS`.
        head: time limit in seconds for a client to send its request headers.
        options: options of the hub.
    """
    hub, monitor = Hub(**{"announce": 0.02, **options}), Monitor(interval=1000)
    where: tuple[Any, ...] = (hub, "127.0.0.1", 0)
    if kind == "native":
        async with rtmon.serve(
            *where, monitor=monitor, open_timeout=head, close_timeout=1
        ) as server:
            yield HubServer(kind, hub, monitor, server.port)
    elif kind == "asgi":
        async with serve_asgi(*where, monitor=monitor, header_timeout=head) as server:
            yield HubServer(kind, hub, monitor, server.port)
    else:
        live = app(hub)
        options = guarded(header_timeout=head, monitor=monitor)
        async with serving(measured(live, monitor), **options) as address:
            yield HubServer(kind, hub, monitor, int(address.partition(":")[2]))
            await live.aclose()
    monitor.close()


class Wire:
    """A client's raw TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int, said: bytes = b"") -> AsyncIterator[Self]:
        """Connect to a port, and send these bytes."""
        wire = cls(*await asyncio.open_connection("127.0.0.1", port))
        wire.writer.write(said)
        try:
            yield wire
        finally:
            wire.writer.transport.abort()

    async def rest(self) -> bytes:
        """Return all bytes that arrive until the server ends the connection."""
        received = b""
        async with asyncio.timeout(LONG):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    received += data
        return received

    async def status(self) -> int:
        """Return the response's HTTP status, or 0 when the server ends the connection without a
        response.
        """
        return int((await self.rest() or b". 0").split(b" ", 2)[1])

    async def upgraded(self) -> None:
        """Wait until the server has accepted the WebSocket handshake."""
        async with asyncio.timeout(LONG):
            head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head


def upgrade(*headers: str, path: str = "/ws", body: bytes = b"") -> bytes:
    """Return a WebSocket handshake request as bytes."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + body


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a client frame with less than 126 bytes of data, masked with zeros."""
    assert len(data) < 126
    return bytes([(0x80 if fin else 0) | opcode, 0x80 | len(data), 0, 0, 0, 0]) + data
