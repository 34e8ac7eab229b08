"""Fixtures that serve a hub on real sockets, and connect clients over each transport and codec."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, serve

from rtmon.hub import Hub
from rtmon.hub.admission.authentication import Credentials
from rtmon.hub.transports.asgi import App, app
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.protocol.catalog import Position
from rtmon.protocol.codecs import JSON, MSGPACK
from tests.hub.clients import (
    Client,
    MemoryClient,
    MemoryPeer,
    SocketClient,
    SocketIOClient,
    StreamClient,
)
from tests.hub.redis_server import RedisServer
from tests.probes.serving import serving
from tests.transports.links import SocketIOLink, Stream

TRANSPORTS = (
    "websocket-json",
    "websocket-msgpack",
    "memory",
    "asgi-json",
    "asgi-msgpack",
    "sse",
    "socketio-websocket",
    "socketio-polling",
)

ONE_EACH = ("websocket-msgpack", "memory", "sse", "socketio-polling")
"""One transport of each kind, for tests that need not run in every codec and on every server."""


class Place:
    """A hub with its running server, and the test clients that are connected to it."""

    def __init__(self, hub: Hub, server: Server) -> None:
        self.hub = hub
        self.server = server
        self.clients: list[Client] = []
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"ws://{host}:{port}/"
        self.app: App | None = None
        self.stack = AsyncExitStack()

    async def connect(self, name: str | None = None, **how: Any) -> Any:
        """Connect a client with the arguments of :meth:`come`, and wait for its welcome message."""
        client = await self.come(name, **how)
        client.welcome = await client.next("welcome")
        return client

    async def come(
        self,
        name: str | None = None,
        *,
        over: str = "websocket-json",
        user: str | None = None,
        client_id: str | None = None,
        since: dict[str, Any] | None = None,
        token: str | None = None,
        **options: Any,
    ) -> Any:
        """Connect a client without waiting for its welcome; a token is sent as early as
        possible.
        """
        client: Client
        pairs = {"name": name, "user": user, "client_id": client_id, **(since or {})}
        query = "&".join(f"{key}={value}" for key, value in pairs.items() if value is not None)
        if over == "memory":
            client = await self._in_memory(name, user, since, token)
        elif over == "sse":
            where = f"http://{await self.asgi()}/events"
            client = StreamClient(await Stream.open(f"{where}?{query}", **_bearer(token)))
        elif over.startswith("socketio"):
            where = f"http://{await self.asgi()}?{query}"
            auth = {} if token is None else {"token": token}
            link = await SocketIOLink.open(where, over.partition("-")[2], **auth)
            client = SocketIOClient(link)
        else:
            where = f"ws://{await self.asgi()}/ws" if over.startswith("asgi") else self.url
            codec = MSGPACK if over.endswith("msgpack") else JSON
            if over.endswith("msgpack"):
                options["subprotocols"] = [codec.subprotocol]
            options.setdefault("additional_headers", _bearer(token))
            client = SocketClient(await connect(f"{where}?{query}", **options), codec)
        self.clients.append(client)
        return client

    async def asgi(self) -> str:
        """Return the ``host:port`` of the hub's ASGI application, which the first call starts."""
        if self.app is None:
            self.app = app(self.hub)
            self._where = await self.stack.enter_async_context(
                serving(self.app, ws="websockets-sansio")
            )
        return self._where

    async def _in_memory(
        self, name: str | None, user: str | None, since: dict[str, Any] | None, token: str | None
    ) -> MemoryClient:
        client = MemoryClient(self.hub, MemoryPeer())
        position = None if since is None else Position(**since)
        shown = Credentials(token=token, address="192.0.2.1:5000", transport="memory")
        client.connection = await self.hub.open(
            client.peer, name=name, user=user, since=position, credentials=shown
        )
        return client

    async def aclose(self) -> None:
        """Disconnect all clients, then close the server and the hub."""
        for client in self.clients:
            await client.leave()
        self.server.close()
        await self.server.wait_closed()
        await self.hub.aclose()
        await self.stack.aclose()

    @classmethod
    async def open(cls, **options: Any) -> Self:
        """Create a hub with these options, and serve it."""
        hub = Hub(**options)
        server = await serve(handler(hub), "127.0.0.1", 0, **serve_arguments(hub))
        return cls(hub, server)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Place]]]:
    """A function that creates a hub with the given options, and serves it."""
    places: list[Place] = []

    async def begin(**options: Any) -> Place:
        options.setdefault("announce", 0.02)
        places.append(await Place.open(**options))
        return places[-1]

    yield begin
    for place in places:
        await place.aclose()


@pytest.fixture
async def place(start: Callable[..., Awaitable[Place]]) -> Place:
    """A served hub with default options, except that joins are announced after 0.02 s."""
    return await start()


@pytest.fixture(
    params=[
        name if name in ONE_EACH else pytest.param(name, marks=pytest.mark.matrix)
        for name in TRANSPORTS
    ]
)
def over(request: pytest.FixtureRequest) -> str:
    """The name of each transport in turn; those outside ``ONE_EACH`` run only in the matrix."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that all tests of a module share; each test uses its own key prefix."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server for one test, which may stop it."""
    server = RedisServer(tmp_path)
    yield server
    server.close()
