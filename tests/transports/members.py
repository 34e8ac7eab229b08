"""Members of one room over six transports and codecs, which count their own messages and bytes."""

from __future__ import annotations

import abc
import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtmon.lab.faults import FaultProxy
from tests.transports.links import Stream
from tests.transports.node import Node

__all__ = ["KINDS", "ROOM", "Member", "OverSocketIO", "OverStream", "OverWebSocket"]

ROOM = "lobby"


class Member(abc.ABC):
    """A member of the room, which may reconnect several times.

    Attributes:
        kind: key of the transport and codec in :data:`KINDS`.
        name: the client's name on the present connection.
        heard: id, offset and text of each room message received.
        connections: number of connections so far, the present one included.
        got, said: messages received and sent on the present connection, and their bytes.
    """

    transport = "websocket"

    def __init__(self, kind: str, proxy: FaultProxy) -> None:
        self.kind, self.proxy = kind, proxy
        self.where = urlsplit(proxy.url).netloc
        self.heard: list[tuple[str, int, str]] = []
        self.connections = 0
        self.got, self.said = [0, 0], [0, 0]
        self.position: dict[str, Any] | None = None
        self.welcome: dict[str, Any] = {}
        self.over = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The client's name on the present connection."""
        return f"{self.kind}-{self.connections}"

    async def come(self) -> None:
        """Connect or reconnect, and join the room."""
        self.connections += 1
        self.proxy.refusing = False
        self.got, self.said = [0, 0], [0, 0]
        self.over = asyncio.Event()
        joined = asyncio.Event()
        self._joined = joined
        await self.open()
        self._reading = asyncio.create_task(self._read())
        async with asyncio.timeout(60):
            await joined.wait()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed, StopAsyncIteration, httpx.TransportError):
            while True:
                self.take(await self.next())
        self.over.set()

    def take(self, message: dict[str, Any]) -> None:
        """Record a message from the server."""
        payload = message["payload"]
        if message["type"] == "room_message":
            self.heard.append((message["id"], payload["offset"], payload["text"]))
            self.position = {"epoch": payload["epoch"], "offset": payload["offset"]}
        elif message["type"] == "ack" and payload.get("room") == ROOM:
            self.position = self.position or {
                "epoch": payload["epoch"],
                "offset": payload["offset"],
            }
            assert payload.get("recovered", True)
            self._joined.set()

    async def kill(self) -> None:
        """Cut the network connection, and wait until the client has noticed."""
        self.proxy.refusing = True
        self.proxy.cut()
        async with asyncio.timeout(60):
            await self.over.wait()
            await self.close()

    async def speak(self, text: str) -> None:
        """Send a text to the room."""
        await self.say({"type": "room_message", "payload": {"room": ROOM, "text": text}})

    async def leave(self) -> None:
        """Request the server to close the connection, and read until it ends."""
        await self.say({"type": "disconnect"})
        async with asyncio.timeout(60):
            await self.over.wait()
            await self.close()

    @abc.abstractmethod
    async def open(self) -> None:
        """Open the connection."""

    @abc.abstractmethod
    async def next(self) -> dict[str, Any]:
        """Return the server's next message."""

    @abc.abstractmethod
    async def say(self, message: dict[str, Any]) -> None:
        """Send a message."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection."""


class OverWebSocket(Member):
    """A native or ASGI WebSocket in JSON or MessagePack; the member stores its own position."""

    connection: ClientConnection

    async def open(self) -> None:
        path = "ws/somebody" if self.kind == "asgi" else ""
        options: dict[str, Any] = {}
        if self.kind == "msgpack":
            options["subprotocols"] = ["rtmon.v1.msgpack"]
        self.connection = await connect(
            f"ws://{self.where}/{path}?name={self.name}", proxy=None, **options
        )
        since = {} if self.position is None else {"since": self.position}
        await self.say({"type": "join_room", "payload": {"room": ROOM, **since}})

    async def next(self) -> dict[str, Any]:
        data = await self.connection.recv()
        self.got[0] += 1
        self.got[1] += len(data.encode() if isinstance(data, str) else data)
        codec = msgspec.json if isinstance(data, str) else msgspec.msgpack
        return codec.decode(data)  # type: ignore[no-any-return]

    async def say(self, message: dict[str, Any]) -> None:
        data: str | bytes = msgspec.json.encode(message).decode()
        if self.kind == "msgpack":
            data = msgspec.msgpack.encode(message)
        self.said[0] += 1
        self.said[1] += len(data)
        await self.connection.send(data)

    async def close(self) -> None:
        await self.connection.close()


class OverStream(Member):
    """Server-Sent Events; the member recovers by ``Last-Event-ID``, as a browser does."""

    transport = "sse"
    stream: Stream
    last_id = ""

    async def open(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        url = f"http://{self.where}/events?name={self.name}&room={ROOM}"
        self.stream = await Stream.open(url, **headers)

    async def next(self) -> dict[str, Any]:
        event = await self.stream.next()
        self.last_id = event.id or self.last_id
        self.got[0] += 1
        self.got[1] += len(event.data.encode())
        return msgspec.json.decode(event.data)  # type: ignore[no-any-return]

    async def say(self, message: dict[str, Any]) -> None:
        data = msgspec.json.encode(message)
        self.said[0] += 1
        self.said[1] += len(data)
        assert (await self.stream.post(data)).status_code == 202

    async def close(self) -> None:
        await self.stream.aclose()


class OverSocketIO(Member):
    """socket.io-client in Node; the member recovers by Socket.IO's connection state recovery."""

    def __init__(self, kind: str, proxy: FaultProxy, node: Node) -> None:
        super().__init__(kind, proxy)
        self.transport = kind
        self._node = node

    async def open(self) -> None:
        if self.connections == 1:
            self._node.do(
                "open",
                self.kind,
                url=f"http://{self.where}",
                auth={"rooms": [ROOM]},
                options={"transports": [self.kind.partition("-")[2]]},
            )

    async def next(self) -> dict[str, Any]:
        while True:
            told = await self._node.next(self.kind)
            match told["event"]:
                case "#connect":
                    assert told["recovered"] is (self.connections > 1)
                case "#disconnect":
                    self.got, self.said = told["counts"]["got"], told["counts"]["said"]
                    raise StopAsyncIteration
                case _:
                    message: dict[str, Any] = told["args"][0]
                    return message

    async def say(self, message: dict[str, Any]) -> None:
        self._node.do("emit", self.kind, args=["message", message])

    async def close(self) -> None:
        pass


KINDS: dict[str, Any] = {
    "json": OverWebSocket,
    "msgpack": OverWebSocket,
    "asgi": OverWebSocket,
    "sse": OverStream,
    "socketio-websocket": OverSocketIO,
    "socketio-polling": OverSocketIO,
}
