"""One handshake on three in-memory connections: the library's own, the probe's, the fast path's."""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Iterable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.http11 import SERVER, Response
from websockets.server import ServerProtocol
from websockets.version import version

from rtmon import Monitor
from rtmon.core.flood_protection import answer_unreadable_request
from rtmon.probes.websockets import inlined_calls, probed
from rtmon.probes.websockets.in_memory_connection import MemoryTransport, _Server, frame_bytes

only_tested = pytest.mark.skipif(
    version not in inlined_calls.TESTED, reason="the fast path is off here"
)

_DATE = re.compile(rb"Date: [^\r]*")
ORDINARY = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def request_of(
    headers: Iterable[tuple[str, str]], line: str = "GET /a?b=c HTTP/1.1", colon: str = ": "
) -> bytes:
    """Return a request as bytes."""
    lines = [line, *(f"{name}{colon}{value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("iso-8859-1")


class _Closing(_Server):
    """A server that is closing."""

    def is_serving(self) -> bool:
        return False


class Side:
    """An in-memory connection with the observable state of its handshake."""

    def __init__(self, connection_class: Any, how: dict[str, Any]) -> None:
        self.called: list[Any] = []
        protocol = ServerProtocol(
            origins=how.get("origins"),
            extensions=[ServerPerMessageDeflateFactory()] if how.get("deflate") else None,
            subprotocols=how.get("subprotocols"),
            select_subprotocol=self._select(how.get("select")),
        )
        server = _Closing() if how.get("closing") else _Server()
        self.connection = connection_class(protocol, server, ping_interval=None, close_timeout=None)
        self.transport = MemoryTransport()
        self.transport.connection = self.connection
        self.connection.connection_made(self.transport)
        self.arguments = (
            self._callback(how.get("process_request")),
            self._callback(how.get("process_response")),
            how.get("server_header", SERVER),
        )
        self.task: asyncio.Task[None] | None = None

    def _select(self, kind: str | None) -> Any:
        def select(_: Any, offered: Any) -> Any:
            self.called.append(("select", list(offered)))
            if kind == "raises":
                raise LookupError("select")
            if kind == "refuses":
                raise NegotiationError("not these")
            return {"picks": offered[0] if offered else None, "wrong": "a\nb"}.get(str(kind))

        return None if kind is None else select

    def _callback(self, kind: str | None) -> Any:
        def answer(*arguments: Any) -> Any:
            self.called.append([type(each).__name__ for each in arguments[1:]])
            if kind == "raises":
                raise LookupError("callback")
            if kind == "answers":
                return arguments[0].respond(http.HTTPStatus.OK, "ok\n")
            if kind == "accepts":
                return Response(101, "Switching Protocols", Headers({"X": "y"}))
            return "a string" if kind == "wrong" else None

        async def later(*arguments: Any) -> Any:
            await asyncio.sleep(0)
            return answer(*arguments)

        async def never(*_: Any) -> None:
            await asyncio.Event().wait()

        if kind is None:
            return None
        kind, _, when = kind.partition(", ")
        return never if kind == "never" else later if when == "later" else answer

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.connection.handshake(*self.arguments))

    def receive(self, data: bytes) -> None:
        if not self.transport.closing:
            self.connection.data_received(data)

    def lose(self) -> None:
        if not self.transport.closing:
            self.transport.closing = True
            self.connection.connection_lost(None)

    def seen(self) -> dict[str, Any]:
        connection, protocol = self.connection, self.connection.protocol
        request, response = connection.request, connection.response
        return {
            "written": [_DATE.sub(b"", data) for data in self.transport.written],
            "calls": list(self.transport.calls),
            "called": list(self.called),
            "request": request and (request.method, request.path, request.protocol),
            "headers": request and (list(request.headers.raw_items()), dict(request.headers._dict)),
            "refused for": request and repr(request._exception),
            "response": response and (response.status_code, response.reason_phrase, response.body),
            "answered": response and [*map(_undated, response.headers.raw_items())],
            "answered names": response and list(response.headers),
            "negotiated": (protocol.origin, protocol.subprotocol, repr(protocol.extensions)),
            "accepted": (protocol.accept_called, repr(protocol.handshake_exc)),
            "cause": repr(getattr(protocol.handshake_exc, "__cause__", None)),
            "state": protocol.state,
            "reader": (bytes(protocol.reader.buffer), protocol.reader.eof, protocol.eof_sent),
            "parser": repr(protocol.parser_exc),
            "frames": [(f.opcode, bytes(f.data)) for f in connection.recv_messages.frames.queue],
            "task": self.task and _outcome(self.task),
        }


def _undated(header: tuple[str, str]) -> tuple[str, str | None]:
    return header[0], None if header[0] == "Date" else header[1]


def _outcome(task: asyncio.Task[None]) -> str:
    if not task.done():
        return "waits"
    return "cancelled" if task.cancelled() else repr(task.exception())


class Stock(ServerConnection):
    """The library's connection, changed to answer unreadable requests with 400 as rtmon's does."""

    def send_data(self) -> None:
        if self.protocol.handshake_exc is not None:
            answer_unreadable_request(self.protocol)
        super().send_data()


async def all_the_same(chunks: list[bytes], *, late: bool = False, **how: Any) -> bool:
    """Check that all three connections act the same at every step.

    Returns:
        True if the connection was opened.
    """
    monitors = [Monitor(interval=3600), Monitor(interval=3600)]
    stock, plain, quick = sides = [
        Side(Stock, how),
        Side(probed(monitors[0], ServerConnection), how),
        Side(probed(monitors[1], ServerConnection, way="fast"), how),
    ]
    steps: list[Any] = [("receive", chunk) for chunk in chunks]
    steps.insert(len(steps) if late else 0, ("start",))
    steps += [("receive", frame_bytes(Opcode.TEXT, b"one")), ("receive", b"\x81\x83\0\0\0\0two")]
    for step in [*steps, ("lose",)]:
        for side in sides:
            getattr(side, step[0])(*step[1:])
        for _ in range(10):
            await asyncio.sleep(0)
        expected = stock.seen()
        assert plain.seen() == expected, f"the probe differs after {step}"
        assert quick.seen() == expected, f"the fast path differs after {step}"
        opened = expected["state"].name == "OPEN"
    meters = plain.connection.meter, quick.connection.meter
    for name in ("wire_in", "wire_out", "path", "user_agent", "subprotocol", "messages_in"):
        assert getattr(meters[0], name) == getattr(meters[1], name), name
    assert (meters[0].opened is None) == (meters[1].opened is None)
    for monitor in monitors:
        assert monitor.probe_failures == 0
        monitor.close()
    for side in sides:
        assert side.task is not None
        side.task.cancel()
    await asyncio.gather(*(side.task for side in sides if side.task), return_exceptions=True)
    return meters[1].opened is not None or opened
