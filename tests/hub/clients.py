"""Test clients for a hub: one class per transport, all with the same methods."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from rtmon.hub import Connection, Hub
from rtmon.hub.transports.base import Peer
from rtmon.protocol.codecs import JSON, MSGPACK, Codec
from tests.transports.links import SocketIOLink, Stream


class MemoryPeer(Peer):
    """A transport without a socket: messages that the hub sends are put in an ``asyncio.Queue``."""

    transport = "memory"
    codec = JSON

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.ended: tuple[int, str] | None = None
        self.errors = 0
        self.stalled = 0
        self.rtts: list[float] = []

    def send(self, data: str | bytes, **_: Any) -> bool:
        if self.ended is not None:
            return False
        self.inbox.put_nowait(data)
        return True

    def close(self, code: int, reason: str) -> None:
        if self.ended is None:
            self.ended = (code, reason)
            self.inbox.put_nowait(None)

    @property
    def waiting(self) -> int:
        return self.stalled

    def errored(self) -> None:
        self.errors += 1

    def measured(self, rtt: float) -> None:
        self.rtts.append(rtt)


class Client(abc.ABC):
    """A test client of a hub, the same over every transport."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.welcome: dict[str, Any] = {}
        self.heard: list[dict[str, Any]] = []
        self._asked = 0

    @property
    def id(self) -> str:
        """The client id that the hub assigned in its welcome message."""
        found: str = self.welcome["payload"]["client_id"]
        return found

    async def send(self, kind: str, payload: Any = None, **envelope: Any) -> None:
        """Encode a message with the client's codec, and send it to the hub."""
        message = {"type": kind, "payload": {} if payload is None else payload, **envelope}
        module = msgspec.msgpack if self.codec.binary else msgspec.json
        data = module.encode(message)
        await self.raw(data if self.codec.binary else data.decode())

    async def ask(self, kind: str, payload: Any = None, **envelope: Any) -> dict[str, Any]:
        """Send a message, and return the hub's reply to it."""
        self._asked += 1
        envelope.setdefault("id", f"ask-{self._asked}")
        await self.send(kind, payload, **envelope)
        return await self.wait(lambda message: message.get("reply_to") == envelope["id"])

    async def next(self, kind: str) -> dict[str, Any]:
        """Wait for the next message of this type; messages received before it are added to
        ``heard``.
        """
        return await self.wait(lambda message: message["type"] == kind)

    async def published(self, count: int) -> list[Any]:
        """Wait for this many publications, and return their data."""
        return [(await self.next("publication"))["payload"]["data"] for _ in range(count)]

    async def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message for which ``wanted`` is true; messages before it are added to
        ``heard``.
        """
        async with asyncio.timeout(60):
            while True:
                data = await self.receive()
                if isinstance(data, bytes) and not self.codec.binary:
                    self.heard.append({"type": "binary", "payload": data})
                    continue
                if isinstance(data, bytes) and data[:1] == b"\x01":
                    self.heard.append({"type": "binary", "payload": data})
                    continue
                message = self.decode(data)
                if wanted(message):
                    return message
                self.heard.append(message)

    def decode(self, data: str | bytes) -> dict[str, Any]:
        """Decode a message that the hub sent."""
        module = msgspec.msgpack if self.codec.binary else msgspec.json
        return module.decode(data)  # type: ignore[no-any-return]

    async def quiet(self) -> list[dict[str, Any]]:
        """Send a ping, and return all messages that arrive before its reply."""
        self.heard.clear()
        await self.ask("ping")
        heard, self.heard = self.heard, []
        return heard

    @abc.abstractmethod
    async def raw(self, data: str | bytes) -> None:
        """Send data without encoding it."""

    @abc.abstractmethod
    async def receive(self) -> str | bytes:
        """Wait for the next message from the hub, and return it without decoding it."""

    @abc.abstractmethod
    async def leave(self) -> None:
        """Close the client's connection."""

    @abc.abstractmethod
    async def close_code(self) -> int:
        """Wait until the connection has ended, and return its close code."""


class SocketClient(Client):
    """A test client over a WebSocket."""

    def __init__(self, connection: ClientConnection, codec: Codec) -> None:
        super().__init__(codec)
        self.connection = connection

    async def raw(self, data: str | bytes) -> None:
        await self.connection.send(data)

    async def receive(self) -> str | bytes:
        return await self.connection.recv()

    async def leave(self) -> None:
        closing = asyncio.ensure_future(self.connection.close())
        # The close frame arrives behind unread messages, so read those first.
        await self.close_code()
        await closing

    async def close_code(self) -> int:
        async with asyncio.timeout(60):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed:
                code = self.connection.close_code
                assert code is not None
                return code


class MemoryClient(Client):
    """A test client that calls the hub directly, without a socket."""

    def __init__(self, hub: Hub, peer: MemoryPeer) -> None:
        super().__init__(JSON)
        self.hub = hub
        self.peer = peer
        self.connection: Connection | None = None

    async def raw(self, data: str | bytes) -> None:
        assert self.connection is not None
        await self.hub.receive(self.connection, data)

    async def receive(self) -> str | bytes:
        data = await self.peer.inbox.get()
        assert data is not None, "closed"
        return data

    async def leave(self) -> None:
        assert self.connection is not None
        self.hub.closed(self.connection)

    async def close_code(self) -> int:
        async with asyncio.timeout(60):
            while await self.peer.inbox.get() is not None:
                pass
        assert self.peer.ended is not None
        return self.peer.ended[0]


class StreamClient(Client):
    """A test client that receives Server-Sent Events and sends by HTTP POST."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(JSON)
        self.stream = stream

    async def raw(self, data: str | bytes) -> None:
        assert (await self.stream.post(data)).status_code == 202

    async def receive(self) -> str | bytes:
        return (await self.stream.next()).data

    async def leave(self) -> None:
        await self.stream.aclose()

    async def close_code(self) -> int:
        code = 0
        async with asyncio.timeout(60):
            while True:
                try:
                    event = await self.stream.next()
                except StopAsyncIteration:
                    return code
                if event.name == "disconnect":
                    code = self.decode(event.data)["payload"]["code"]


class SocketIOClient(Client):
    """A Socket.IO test client that sends and receives protocol messages as ``message`` events."""

    def __init__(self, link: SocketIOLink) -> None:
        super().__init__(MSGPACK)
        self.link = link

    async def raw(self, data: str | bytes) -> None:
        assert isinstance(data, bytes)
        await self.link.emit("message", msgspec.msgpack.decode(data))

    async def receive(self) -> str | bytes:
        return msgspec.msgpack.encode(await self.link.next())

    async def leave(self) -> None:
        await self.link.aclose()

    async def close_code(self) -> int:
        code = 0
        async with asyncio.timeout(60):
            while True:
                try:
                    message = await self.link.next()
                except StopAsyncIteration:
                    return code
                if message["type"] == "disconnect":
                    code = message["payload"]["code"]
