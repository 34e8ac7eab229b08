"""Fixtures that serve a hub, with a proxy in front of it that can interrupt the connection."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import rtmon
from rtmon.asgi import ASGIServer
from rtmon.asgi import serve as serve_asgi
from rtmon.client import Client
from rtmon.core.backoff import Backoff
from rtmon.testing import FaultProxy

QUICK = Backoff(base=0.01, max=0.05)
"""Short reconnection delays, for tests that do not measure them."""


class Place:
    """A hub with its server and a proxy, and the clients that connect through the proxy."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self.hub: rtmon.Hub
        self.server: rtmon.Server | ASGIServer
        self.proxy: FaultProxy

    async def serve(self, port: int = 0, *, asgi: bool = False, **options: Any) -> None:
        """Serve a hub; after :meth:`stop`, serve a new one."""
        options.setdefault("announce", 0.02)
        self.hub = rtmon.Hub(**options)
        make: Any = serve_asgi if asgi else rtmon.serve
        self.server = await make(self.hub, "127.0.0.1", port)

    async def stop(self) -> None:
        """Stop the server and close the hub."""
        self.server.close()
        await self.server.wait_closed()
        await self.hub.aclose()

    def client(self, **options: Any) -> Client:
        """Return an unconnected client whose URL is the proxy's."""
        options.setdefault("backoff", QUICK)
        return rtmon.connect(self.proxy.url, proxy=None, **options)

    async def connect(self, **options: Any) -> Client:
        """Return a connected client, which is closed at the end of the test."""
        client: Client = await self._stack.enter_async_context(self.client(**options))
        return client


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Place]]]:
    """A function that serves a hub with the given options."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(**options: Any) -> Place:
            place = Place(stack)
            await place.serve(**options)
            stack.push_async_callback(place.stop)
            place.proxy = await stack.enter_async_context(FaultProxy(place.server))
            return place

        yield begin


@pytest.fixture
async def place(start: Callable[..., Awaitable[Place]]) -> Place:
    """A served hub with default options, behind a proxy."""
    return await start()
