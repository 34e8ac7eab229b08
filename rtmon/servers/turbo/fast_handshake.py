"""A fast opening handshake for ordinary requests, without the general parser of `websockets`.

This module parses a request that arrives in one piece, as browsers and common libraries send it.
For such a request a simple parser is enough: it need not wait for further data, and it need not
find out what is wrong with a malformed request. All other requests are passed to `websockets`:
those that arrive in several pieces, have a body or have a duplicate header. An application sees no
difference: ``request``, ``response``, their headers, the arguments of its callbacks, and each
refusal are the same.
"""

from __future__ import annotations

import email.utils
import functools
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import (
    MAX_LINE_LENGTH,
    MAX_NUM_HEADERS,
    SERVER,
    Request,
    Response,
    parse_line,
)
from websockets.protocol import CONNECTING, Protocol
from websockets.server import ServerProtocol
from websockets.utils import accept_key

__all__ = ["QuickHandshake", "accept", "parse"]

ALIKE = frozenset(
    {
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "host",
        "origin",
        "pragma",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
    }
)
"""Headers whose values are the same on thousands of connections. Their values are interned."""

_header = re.compile(r"([-!#$%&'*+.^_`|~0-9a-zA-Z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)").fullmatch
_key = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==").fullmatch
_CONNECTION = frozenset({"upgrade", "keep-alive, upgrade"})
_REQUEST_LINE = parse_line.__code__
_UPGRADE, _CONNECT = ("Upgrade", "websocket"), ("Connection", "Upgrade")


def parse(data: bytes) -> Request | None:
    """Parse data as one complete request; return None if `websockets` must parse it instead."""
    if len(data) > MAX_LINE_LENGTH or not data.endswith(b"\r\n\r\n"):
        return None
    lines = data.decode("iso-8859-1").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) != 3 or first[2] != "HTTP/1.1" or not lines[0].isascii() or "\n" in lines[0]:
        return None
    if len(lines) - 3 > MAX_NUM_HEADERS:
        return None
    values: dict[str, list[str]] = {}
    items: list[tuple[str, str]] = []
    for line in lines[1:-2]:
        found = _header(line)
        if found is None:
            return None
        name, value = found.groups()
        name = sys.intern(name)
        key = sys.intern(name.lower())
        value = value.rstrip(" \t")
        if key in ALIKE:
            value = sys.intern(value)
        if key in values:
            values[key].append(value)
        else:
            values[key] = [value]
        items.append((name, value))
    if "transfer-encoding" in values or "content-length" in values:
        return None
    method, path, version = first
    path = path if "?" in path else sys.intern(path)
    return Request(path, _headers(values, items), sys.intern(method), version)


def _headers(values: dict[str, list[str]], items: list[tuple[str, str]]) -> Headers:
    """Return ``Headers`` with valid items, without calling a method for each of them."""
    headers = Headers.__new__(Headers)
    headers._dict, headers._list = values, items  # noqa: SLF001 - no constructor takes them
    return headers


def accept(protocol: ServerProtocol, request: Request) -> Response:
    """Return the response to a handshake request, the same as ``protocol.accept(request)``."""
    headers = request.headers
    values = headers._dict  # noqa: SLF001 - the public method makes lists
    nothing: list[str] = []
    key = values.get("sec-websocket-key", nothing)
    if not (
        request.method == "GET"
        and request.protocol == "HTTP/1.1"
        and len(key) == 1
        and _key(key[0])
        and len(connection := values.get("connection", nothing)) == 1
        and connection[0].lower() in _CONNECTION
        and len(upgrade := values.get("upgrade", nothing)) == 1
        and upgrade[0].lower() == "websocket"
        and values.get("sec-websocket-version") == ["13"]
    ):
        return protocol.accept(request)
    protocol.accept_called = True
    try:
        protocol.origin = protocol.process_origin(headers)
        extensions, protocol.extensions = protocol.process_extensions(headers)
        subprotocol = protocol.subprotocol = protocol.process_subprotocol(headers)
    except Exception as exc:
        return _refused(protocol, request, exc)
    date, accepted = _date(int(time.time())), accept_key(key[0])
    answer = _headers(
        {
            "date": [date],
            "upgrade": ["websocket"],
            "connection": ["Upgrade"],
            "sec-websocket-accept": [accepted],
        },
        [("Date", date), _UPGRADE, _CONNECT, ("Sec-WebSocket-Accept", accepted)],
    )
    if extensions is not None:
        answer["Sec-WebSocket-Extensions"] = extensions
    if subprotocol is not None:
        answer["Sec-WebSocket-Protocol"] = subprotocol
    return Response(101, "Switching Protocols", answer)


def _refused(protocol: Any, request: Request, exc: Exception) -> Response:
    """Return the error response of `websockets` to a request whose validation raised ``exc``."""

    def process_request(_: Request) -> None:
        raise exc

    protocol.process_request = process_request
    try:
        response: Response = protocol.accept(request)
    finally:
        del protocol.process_request
    return response


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


class QuickHandshake(ServerConnection):
    """Mix-in before a connection class with a probe; answers ordinary handshakes itself."""

    def _took_request(self, data: bytes) -> bool:
        """Handle data that is a whole, ordinary request. Returns False if it is anything else."""
        protocol: Any = self.protocol
        if self.request is not None or protocol.debug or protocol.reader.buffer:
            return False
        # An empty buffer does not prove that the request begins here: the library's parser
        # removes each complete line from the buffer.
        parser = getattr(protocol.parser.gi_yieldfrom, "gi_yieldfrom", None)
        if getattr(parser, "gi_code", None) is not _REQUEST_LINE:
            return False
        request = parse(data)
        if request is None:
            return False
        connection: Any = self
        connection._count_wire(len(data))  # noqa: SLF001 - a method of this object
        protocol.parser = Protocol.parse(protocol)
        next(protocol.parser)
        self.process_event(request)
        return True

    async def handshake(
        self,
        process_request: Callable[..., Any] | None = None,
        process_response: Callable[..., Any] | None = None,
        server_header: str | None = SERVER,
    ) -> None:
        await self._request_or_loss()
        if self.request is not None and process_response is None:
            if process_request is not None:
                process_request = await _asked(process_request, self, self.request)
            if process_request is None and self.server.is_serving():
                await self._accept(self.request, server_header)
                return
        await super().handshake(process_request, process_response, server_header)

    async def _request_or_loss(self) -> None:
        """Wait until the request is complete or the connection is lost."""
        if self.request_rcvd.done() or self.connection_lost_waiter.done():
            return
        waiter = self.loop.create_future()

        def wake(_: object) -> None:
            if not waiter.done():
                waiter.set_result(None)

        self.request_rcvd.add_done_callback(wake)
        self.connection_lost_waiter.add_done_callback(wake)
        try:
            await waiter
        finally:
            self.request_rcvd.remove_done_callback(wake)
            self.connection_lost_waiter.remove_done_callback(wake)

    async def _accept(self, request: Request, server_header: str | None) -> None:
        """Accept a request that the application has not refused, and send the response."""
        connection: Any = self
        self.response = accept(self.protocol, request)
        if server_header is not None:
            self.response.headers["Server"] = server_header
        if self.state is CONNECTING:
            if self.response.status_code == 101:
                self.protocol.send_response(self.response)
                try:
                    self.send_data()
                    if self.paused or self.transport.is_closing():
                        await self.drain()
                except Exception as exc:
                    await connection._write_failed(exc)  # noqa: SLF001 - a method of this object
            else:
                async with self.send_context(expected_state=CONNECTING):
                    self.protocol.send_response(self.response)
        connection._opened()  # noqa: SLF001 - a method of this object


async def _asked(
    process_request: Callable[..., Any], connection: ServerConnection, request: Request
) -> Callable[..., Any] | None:
    """Call the application's ``process_request``.

    Returns:
        A function that returns what ``process_request`` returned, or raises what it raised. None
        if ``process_request`` returned None, which accepts the request.
    """
    try:
        response = process_request(connection, request)
        if isinstance(response, Awaitable):
            response = await response
    except Exception as exc:
        failure = exc

        def fail(*_: object) -> None:
            raise failure

        return fail
    return None if response is None else lambda *_: response
