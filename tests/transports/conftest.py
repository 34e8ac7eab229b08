"""Fixtures that serve a hub by uvicorn over all ASGI transports, counted by a Monitor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from rtmon import Hub, Monitor
from rtmon.asgi import measured
from rtmon.hub.transports.asgi import app
from rtmon.metrics.records import ConnectionInfo
from tests.probes.serving import serving
from tests.transports.links import SocketIOLink, Stream


@dataclass
class House:
    """A served hub with its Monitor.

    Attributes:
        where: ``host:port`` of the server.
        transports: asyncio transports of uvicorn's connections so far.
    """

    hub: Hub
    monitor: Monitor
    where: str
    transports: list[asyncio.Transport]
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def unsent(self) -> int:
        """Number of bytes in uvicorn's write buffers."""
        return sum(transport.get_write_buffer_size() for transport in self.transports)

    async def stream(self, query: str = "", **headers: str) -> Stream:
        """Open an event stream, which is closed at the end of the test."""
        stream = await Stream.open(f"http://{self.where}/events?{query}", **headers)
        self.stack.push_async_callback(stream.aclose)
        return stream

    async def socket(self, transport: str = "websocket", **options: Any) -> SocketIOLink:
        """Open a Socket.IO connection, which is closed at the end of the test."""
        link = await SocketIOLink.open(f"http://{self.where}", transport, **options)
        self.stack.push_async_callback(link.aclose)
        return link

    def row(self, name: str) -> ConnectionInfo:
        """Tick the Monitor, and return the row of the connection with this name."""
        self.monitor.tick()
        (info,) = [info for info in self.monitor.collector.connections() if info.name == name]
        return info


Begin = Callable[..., Awaitable[House]]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """A function that serves a hub with options of the ASGI application and of the hub."""
    async with AsyncExitStack() as stack:

        async def make(*, application: dict[str, Any] | None = None, **options: Any) -> House:
            hub = Hub(**{"announce": 0.02, **options})
            monitor = Monitor(interval=1000)
            live = app(hub, **(application or {}))
            counted = measured(live, monitor)
            transports: list[asyncio.Transport] = []

            async def noting(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] != "lifespan":
                    transports.append(receive.__self__.transport)
                await counted(scope, receive, send)

            where = await stack.enter_async_context(serving(noting, ws="websockets-sansio"))
            stack.push_async_callback(live.aclose)
            house = House(hub, monitor, where, transports)
            await stack.enter_async_context(house.stack)
            return house

        yield make


@pytest.fixture
async def house(begin: Begin) -> House:
    """A served hub with default options, except that joins are announced after 0.02 s."""
    return await begin()
