"""The native transport: the hub behind a `websockets` server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.typing import Subprotocol

from ...errors import ProtocolError
from ...protocol import close, limits
from ...protocol.codecs import for_subprotocol, select_subprotocol
from ...protocol.incoming import Position
from .base import Peer

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["WebSocketPeer", "handler", "serve_arguments"]

_CLOSE_TIMEOUT = 5.0
"""Seconds that a peer has to take a close frame before TCP is cut: a stalled reader never
empties the buffer that the frame waits in."""


class WebSocketPeer(Peer):
    """A connection of a `websockets` server."""

    transport = "websocket"

    def __init__(self, connection: ServerConnection, *, max_waiting: int) -> None:
        self.codec = for_subprotocol(connection.subprotocol)
        self.remote = _address(connection.remote_address)
        self._connection = connection
        self._max_waiting = max_waiting
        self._meter: Any = getattr(connection, "meter", None)
        self._closing: asyncio.Task[None] | None = None

    def send(self, data: str | bytes) -> bool:
        connection = self._connection
        if self._closing is not None or connection.state is not State.OPEN:
            return False
        if self.waiting > self._max_waiting:
            self.close(close.TRY_AGAIN_LATER, "you read too slowly")
            return False
        # The one call of the library that writes at once and never waits.
        broadcast((connection,), data)
        return True

    def close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        reason = reason.encode()[: limits.REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._connection.close(code, reason)
        except TimeoutError:
            self._connection.transport.abort()

    @property
    def waiting(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    def named(self, name: str) -> None:
        if self._meter is not None:
            self._meter.name = name

    def errored(self) -> None:
        if self._meter is not None:
            self._meter.bump("errors")

    def measured(self, rtt: float) -> None:
        monitor: Any = getattr(self._connection, "monitor", None)
        if self._meter is not None and monitor is not None:
            monitor.collector.rtt(self._meter, rtt)


def handler(hub: Hub) -> Callable[[ServerConnection], Awaitable[None]]:
    """The handler that puts a hub behind ``websockets.asyncio.server.serve``.

    Start the server with the arguments of :func:`serve_arguments`, too. A client may give its
    name and user in the address: ``ws://host:8765/?name=ada``.
    """

    async def handle(connection: ServerConnection) -> None:
        peer = WebSocketPeer(connection, max_waiting=hub.options.max_waiting)
        path = connection.request.path if connection.request else ""
        # Not urlsplit: it raises for paths that begin with two slashes and are no host.
        query = parse_qs(path.partition("?")[2])
        try:
            session = await hub.open(
                peer,
                name=_first(query, "name"),
                user=_first(query, "user"),
                since=_position(query),
            )
        except ProtocolError as error:
            await connection.close(close.TRY_AGAIN_LATER, error.message)
            return
        try:
            async for data in connection:
                await session.receive(data)
        except ConnectionClosed:
            pass
        finally:
            session.closed()

    return handle


def serve_arguments(hub: Hub) -> dict[str, Any]:
    """What ``websockets.asyncio.server.serve`` must be told for a hub, unless the user chose."""
    return {"select_subprotocol": _select, "max_size": hub.options.max_size}


def _select(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # The library's own choice refuses those who offer nothing; any bare client may join here.
    chosen = select_subprotocol(offered)
    return None if chosen is None else Subprotocol(chosen)


def _first(query: dict[str, list[str]], key: str) -> str | None:
    values = query.get(key)
    return values[0] if values else None


def _position(query: dict[str, list[str]]) -> Position | None:
    epoch, offset = _first(query, "epoch"), _first(query, "offset")
    if not epoch or not offset or not offset.isascii() or not offset.isdigit():
        return None
    return Position(epoch=epoch, offset=int(offset[:18]))


def _address(address: Any) -> str | None:
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(address) if address else None
