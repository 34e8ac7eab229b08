from __future__ import annotations

import asyncio
import http
import itertools
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.http11 import SERVER, Response
from websockets.server import ServerProtocol
from websockets.version import version

from rtmon import Monitor
from rtmon.probes import flat, handshake
from rtmon.probes.pair import MemoryTransport, _Server, frame_bytes
from rtmon.probes.websockets import probed

only_tested = pytest.mark.skipif(version not in flat.TESTED, reason="the fast path is off here")

_DATE = re.compile(rb"Date: [^\r]*")
ORDINARY = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def _request(
    headers: Iterable[tuple[str, str]], line: str = "GET /a?b=c HTTP/1.1", colon: str = ": "
) -> bytes:
    lines = [line, *(f"{name}{colon}{value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("iso-8859-1")


class _Closing(_Server):
    """A server that has begun to close."""

    def is_serving(self) -> bool:
        return False


class _Side:
    """A connection in memory, and all that can be seen of its handshake."""

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


async def _all_the_same(chunks: list[bytes], *, late: bool = False, **how: Any) -> bool:
    """All three do the same at every step; returns whether the connection was opened."""
    monitors = [Monitor(interval=3600), Monitor(interval=3600)]
    stock, plain, quick = sides = [
        _Side(ServerConnection, how),
        _Side(probed(monitors[0], ServerConnection, fast=False), how),
        _Side(probed(monitors[1], ServerConnection, fast=True), how),
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


_NAMES = [*ORDINARY, "Origin", "User-Agent", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]
_values = st.one_of(
    st.sampled_from(
        [
            *ORDINARY.values(),
            *(
                "keep-alive, Upgrade",
                "upgrade",
                "close",
                "keep-alive",
                "WebSocket",
                "h2c, websocket",
            ),
            *("permessage-deflate", "permessage-deflate; client_max_window_bits", "x; y=", ";"),
            *("chat", "chat, superchat", "other", ",", "http://example.org", "null"),
            *("dGhlIHNhbXBsZSBub25jZR==", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ", "8", "0", "1"),
            *("", " ", "\t13 ", "13 ", "caf\xe9", "a\rb", "a\nb", "a\0b", "x" * 8200),
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
_header = st.one_of(
    st.tuples(st.sampled_from(_NAMES), _values),
    st.tuples(
        st.sampled_from(["content-length", "Transfer-Encoding", "X-é", "", "A B", "x"]), _values
    ),
    st.tuples(st.sampled_from(_NAMES).map(str.upper), _values),
)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    headers = list(ORDINARY.items())
    for change in draw(st.lists(st.sampled_from(["add", "drop", "set", "swap"]), max_size=4)):
        index = draw(st.integers(0, max(0, len(headers) - 1)))
        if change == "add" or not headers:
            headers.insert(index, draw(_header))
        elif change == "drop":
            del headers[index]
        elif change == "set":
            headers[index] = (headers[index][0], draw(_values))
        else:
            headers.append(headers.pop(index))
    line = draw(
        st.sampled_from(
            ["GET / HTTP/1.1"] * 8
            + ["POST / HTTP/1.1", "GET / HTTP/1.0", "GET  HTTP/1.1", "GET /", "GET / HTTP/2", ""]
            + ["GET /a b HTTP/1.1", "GET /é HTTP/1.1", "GET /\r HTTP/1.1", "G\nT / HTTP/1.1"]
        )
    )
    colon = draw(st.sampled_from([": "] * 5 + [":", ":  \t", " :"]))
    data = _request(headers, line, colon)
    data = draw(st.sampled_from([data] * 9 + [data.replace(b"\r\n", b"\n"), data[:-2], data * 2]))
    return data + draw(
        st.sampled_from([b""] * 9 + [b"\x81\x80\0\0\0\0", b"\x81", b"body", b"\r\n"])
    )


_CALLBACKS = [
    "nothing",
    "answers",
    "raises",
    "accepts",
    "wrong",
    "nothing, later",
    "answers, later",
]
_how = st.fixed_dictionaries(
    {},
    optional={
        "origins": st.sampled_from([[None, "http://example.org"], ["http://example.org"], []]),
        "deflate": st.just(True),
        "subprotocols": st.sampled_from([["chat"], ["superchat", "chat"], []]),
        "select": st.sampled_from(["picks", "nothing", "raises", "refuses", "wrong"]),
        "process_request": st.sampled_from([*_CALLBACKS, "raises, later", "never"]),
        "process_response": st.sampled_from(_CALLBACKS),
        "server_header": st.sampled_from([None, "mine"]),
        "closing": st.just(True),
    },
)


@only_tested
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    request=_requests(),
    cuts=st.lists(st.integers(0, 400), max_size=3),
    how=_how,
    late=st.booleans(),
)
def test_nobody_can_tell_a_quick_handshake_from_the_librarys_own(
    *, request: bytes, cuts: list[int], how: dict[str, Any], late: bool
) -> None:
    """Requests good, odd and hostile, cut anywhere, with every option: the same answers, the same
    request and response to look at, the same calls of the application, the same state after it.
    """
    points = sorted({0, *(min(cut, len(request)) for cut in cuts), len(request)})
    chunks = [request[a:b] for a, b in itertools.pairwise(points)]
    opened = asyncio.run(_all_the_same(chunks, late=late, **how))
    event(f"opened: {opened}, whole: {len(chunks) == 1}")


@only_tested
@pytest.mark.parametrize("how", [{}, {"process_request": "nothing"}, {"subprotocols": ["chat"]}])
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade"])
async def test_what_browsers_send_is_taken(connection: str, how: dict[str, Any]) -> None:
    """A browser's request, in one piece, is one that the quick way takes, and the connection
    stands ready for frames at once; in pieces it is not, and the same comes of it.
    """
    offer = {"Sec-WebSocket-Protocol": "chat", "Cookie": "a=b; c=d", "User-Agent": "Mozilla/5.0"}
    request = _request((ORDINARY | {"Connection": connection} | offer).items())
    assert handshake.parse(request) is not None
    assert await _all_the_same([request], **how)
    for cut in range(1, len(request)):
        assert handshake.parse(request[:cut]) is None
    assert await _all_the_same([request[:1], request[1:]], **how)
    # Between two lines nothing waits in the library's buffer, and yet a request has begun.
    line = request.index(b"\r\n") + 2
    assert await _all_the_same([request[:line], request[line:]], **how)
    assert not await _all_the_same([request[:line], request], **how)


_ODD: dict[str, bytes] = {
    "a body in chunks": _request((ORDINARY | {"Transfer-Encoding": "chunked"}).items()),
    "a body": _request((ORDINARY | {"Content-Length": "3"}).items()),
    "an empty body": _request((ORDINARY | {"Content-Length": "0"}).items()),
    "spaces around values": _request(
        [(name, f" \t{value} \t") for name, value in ORDINARY.items()]
    ),
    "no space before values": _request(ORDINARY.items(), colon=":"),
    "a header twice": _request([*ORDINARY.items(), ("Connection", "close")]),
    "a key twice": _request([*ORDINARY.items(), ("sec-websocket-key", "x")]),
    "a short key": _request((ORDINARY | {"Sec-WebSocket-Key": "c2hvcnQ="}).items()),
    "a key that is not base64": _request((ORDINARY | {"Sec-WebSocket-Key": "?" * 24}).items()),
    "no host": _request(list(ORDINARY.items())[1:]),
    "another version": _request((ORDINARY | {"Sec-WebSocket-Version": "8"}).items()),
    "another upgrade": _request((ORDINARY | {"Upgrade": "h2c"}).items()),
    "no upgrade": _request([("Host", "example.org")]),
    "another method": _request(ORDINARY.items(), "POST / HTTP/1.1"),
    "an older protocol": _request(ORDINARY.items(), "GET / HTTP/1.0"),
    "a path that is not ASCII": _request(ORDINARY.items(), "GET /\xe9 HTTP/1.1"),
    "a line that ends early": _request(ORDINARY.items(), "GET /\n HTTP/1.1"),
    "a value that ends early": _request([*ORDINARY.items(), ("X", "a\nb")]),
    "a folded value": _request([*ORDINARY.items(), ("X", "a\r\n b")]),
    "a name with a space": _request([*ORDINARY.items(), ("X Y", "z")]),
    "too long a line": _request([*ORDINARY.items(), ("X", "y" * 8200)]),
    "as many headers as may be": _request([*ORDINARY.items(), *[("X", "y")] * 123]),
    "a header too many": _request([*ORDINARY.items(), *[("X", "y")] * 124]),
    "two requests": _request(ORDINARY.items()) * 2,
    "a message with it": _request(ORDINARY.items()) + frame_bytes(Opcode.TEXT, b"zero"),
    "nothing but ends": b"\r\n\r\n",
}


@only_tested
@pytest.mark.parametrize("odd", _ODD)
async def test_corners_that_chance_may_miss(odd: str) -> None:
    """The same, for requests that the quick way has to leave, or nearly has to."""
    for how in ({}, {"closing": True}, {"process_request": "nothing", "server_header": None}):
        await _all_the_same([_ODD[odd]], **how)
    await _all_the_same([_ODD[odd]], late=True, origins=["http://example.org"])


@only_tested
@pytest.mark.parametrize("select", ["picks", "nothing", "raises", "refuses", "wrong"])
async def test_what_an_application_chooses_is_asked_once(select: str) -> None:
    """A callback that chooses among subprotocols is called as often as the library calls it, and
    what it returns or raises has the same effect.
    """
    request = _request((ORDINARY | {"Sec-WebSocket-Protocol": "chat, other"}).items())
    await _all_the_same([request], select=select)
    await _all_the_same([request], select=select, deflate=True, process_request="raises")
