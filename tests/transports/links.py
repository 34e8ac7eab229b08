"""Test clients for event streams and Socket.IO, written after docs/transports.md."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self

import httpx
import msgspec
import socketio
from aiohttp import ClientSession

__all__ = ["Event", "SocketIOLink", "Stream", "hang_up"]


@dataclass
class Event:
    """A server-sent event, with the fields that a browser's EventSource has."""

    name: str
    data: str
    id: str


class Stream:
    """An event stream, parsed line by line as the HTML Standard defines.

    Attributes:
        last_id: the latest event id, to send as ``Last-Event-ID`` on reconnect.
        retry: reconnection time in milliseconds that the server sent, or None.
        comments: number of comment lines so far.
        texts: the data of each event so far.
    """

    def __init__(self, http: httpx.AsyncClient, response: httpx.Response, url: str) -> None:
        self.response = response
        self.last_id = ""
        self.retry: int | None = None
        self.comments = 0
        self.texts: list[str] = []
        self.token = ""
        self._http, self._url = http, url
        self._events = self._parse()

    @classmethod
    async def open(cls, url: str, **headers: str) -> Self:
        """Request an event stream with these HTTP headers."""
        http = httpx.AsyncClient(timeout=60, trust_env=False)
        request = http.build_request("GET", url, headers=headers)
        return cls(http, await http.send(request, stream=True), url.partition("?")[0])

    async def _parse(self) -> AsyncIterator[Event]:
        name, data, last_id = "", [], ""
        async for line in self._lines():
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "" if not line:
                    if data:
                        self.last_id = last_id or self.last_id
                        self.texts.append("\n".join(data))
                        yield Event(name or "message", "\n".join(data), self.last_id)
                    name, data = "", []
                case "":
                    self.comments += 1
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "id":
                    last_id = value
                case "retry":
                    self.retry = int(value)

    async def _lines(self) -> AsyncIterator[str]:
        # httpx's own line splitting also splits at characters that do not end a line in SSE.
        rest = ""
        async for text in self.response.aiter_text():
            *lines, rest = re.split("\r\n|\n|\r", rest + text)
            for line in lines:
                yield line

    async def next(self) -> Event:
        """Return the next event.

        Raises:
            StopAsyncIteration: the stream has ended.
        """
        event = await anext(self._events)
        if event.name == "welcome" and not self.token:
            self.token = msgspec.json.decode(event.data)["payload"]["session"]
        return event

    async def post(self, data: str | bytes, token: str | None = None) -> httpx.Response:
        """Post a message for this stream, with its session or another token; return the
        response.
        """
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return await self._http.post(self._url, content=data, headers=headers)

    async def aclose(self) -> None:
        """Close the stream."""
        await self.response.aclose()
        await self._http.aclose()


class SocketIOLink:
    """A connection of python-socketio's client.

    Attributes:
        offset: the offset of the latest event, to send on reconnect.
        events: the names of all events received so far.
        got, said: number of messages received and sent, and their bytes as Socket.IO packets.
    """

    def __init__(self, namespace: str = "/") -> None:
        # python-socketio does not close an HTTP session that it has created itself.
        self._http = ClientSession()
        self.client = socketio.AsyncClient(reconnection=False, http_session=self._http)
        self.namespace = namespace
        self.offset = ""
        self.events: list[str] = []
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.got, self.said = [0, 0], [0, 0]
        self._count()
        self.client.on("*", self._heard, namespace=namespace)
        self.client.on("disconnect", self._gone, namespace=namespace)

    @classmethod
    async def open(cls, url: str, transport: str, *, namespace: str = "/", **auth: Any) -> Self:
        """Connect over ``websocket`` or ``polling``, or from polling to WebSocket by
        ``upgrade``.
        """
        link = cls(namespace)
        transports = ["polling", "websocket"] if transport == "upgrade" else [transport]
        try:
            await link.client.connect(
                url,
                auth=auth or None,
                transports=transports,
                namespaces=[namespace],
                wait_timeout=60,
            )
        except BaseException:
            await link.aclose()
            raise
        return link

    def _count(self) -> None:
        engine = self.client.eio
        received, send = engine.handlers["message"], engine.send

        async def take(data: str | bytes) -> None:
            self._add(self.got, data)
            await received(data)

        async def give(data: str | bytes) -> None:
            self._add(self.said, data)
            await send(data)

        engine.handlers["message"], engine.send = take, give

    @staticmethod
    def _add(counts: list[int], data: str | bytes) -> None:
        """Count an event, an acknowledgment, or a binary attachment."""
        if isinstance(data, bytes) or data[0] in "2356":
            counts[0] += isinstance(data, str)
            counts[1] += len(data.encode() if isinstance(data, str) else data)

    async def _heard(self, event: str, message: dict[str, Any], offset: str) -> None:
        self.offset = offset
        self.events.append(event)
        self._inbox.put_nowait(message)

    async def _gone(self, reason: str) -> None:
        if not self.reason.done():
            self.reason.set_result(reason)
        self._inbox.put_nowait(None)

    async def next(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            StopAsyncIteration: the connection has ended.
        """
        message = await self._inbox.get()
        if message is None:
            raise StopAsyncIteration
        return message

    async def emit(self, event: str, *arguments: Any, **options: Any) -> None:
        """Emit an event."""
        await self.client.emit(event, arguments, namespace=self.namespace, **options)

    async def call(self, event: str, *arguments: Any) -> Any:
        """Emit an event, and return its acknowledgment."""
        return await self.client.call(event, arguments, namespace=self.namespace, timeout=60)

    async def aclose(self) -> None:
        """Disconnect, and close the HTTP session."""
        await hang_up(self.client)
        await self._http.close()


async def hang_up(client: socketio.AsyncClient) -> None:
    """Disconnect a Socket.IO client, and wait until its tasks have ended."""
    tasks = set(filter(None, [client.eio.read_loop_task, client.eio.write_loop_task]))
    if client.eio.state == "connected":
        # A client disconnects without its close packet while it still sends, so wait for its
        # queue, unless its write task has failed and will never empty the queue.
        sent = asyncio.ensure_future(client.eio.queue.join())
        await asyncio.wait({sent, client.eio.write_loop_task}, return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
    await client.disconnect()
    # After a disconnect by the server, the client's read task may wait for 30 s when the close
    # packet came together with another packet.
    _, stuck = await asyncio.wait(tasks, timeout=2) if tasks else (tasks, set())
    for task in stuck:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=bool(stuck))
