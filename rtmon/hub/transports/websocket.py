"""WebSocket transport: connects a hub to a server of the `websockets` library."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.protocol import State
from websockets.typing import Subprotocol

from ...core.feed_subprotocol import FEED_SUBPROTOCOL
from ...core.flood_protection import Guarded, GuardedServerConnection, waiting
from ...errors import ProtocolError
from ...metrics.connection_endings import socket_ending
from ...metrics.records import Ending
from ...protocol import limits
from ...protocol.codecs import for_subprotocol, select_subprotocol
from ...protocol.pubsub_shape import in_shape
from .connect_request import ConnectRequest, credentials_of
from .queued_peer import QueuedPeer

if TYPE_CHECKING:
    from ..connection import Connection
    from ..hub import Hub

__all__ = ["WebSocketPeer", "handler", "serve_arguments"]


class WebSocketPeer(QueuedPeer):
    """A connection of a `websockets` server.

    Attributes:
        connection: the connection of the library. While its writing is paused, only this peer may
            write to it.
        client: the hub's connection while it is open; else None.
    """

    transport = "websocket"
    connection: ServerConnection
    client: Connection | None = None
    _task: asyncio.Task[None] | None = None

    def __init__(self, connection: ServerConnection, *, hub: Hub) -> None:
        super().__init__(hub)
        self.codec = for_subprotocol(connection.subprotocol)
        self.remote = _address(connection.remote_address)
        if connection.request is not None:
            # The path is interned, because thousands of connections have the same path.
            self.path = sys.intern(connection.request.path.partition("?")[0])
        self.connection = connection
        self.meter = getattr(connection, "meter", None)
        self.monitor = getattr(connection, "monitor", None)
        _, most = connection.transport.get_write_buffer_limits()
        if most > hub.options.max_waiting:
            # Bytes in the transport's buffer bypass the send queue and its limits, so keep the
            # buffer small.
            connection.transport.set_write_buffer_limits(high=hub.options.max_waiting)
        self._guarded = isinstance(connection, Guarded)
        if isinstance(connection, Guarded):
            connection.listen(self)
            connection.pace_input()

    @property
    def open(self) -> bool:
        return super().open and self.connection.state is State.OPEN

    @property
    def writable(self) -> bool:
        # Only a Guarded connection reports when writing resumes. Messages to other connections
        # cannot wait in the send queue, so these connections always count as writable.
        return not (self._guarded and self.connection.paused)

    def write(self, data: str | bytes) -> None:
        # broadcast() is the only function of the library that writes at once and never waits.
        broadcast((self.connection,), data)
        if not self._guarded and self.buffered > self._context.options.max_waiting:
            self.too_slow()

    @property
    def buffered(self) -> int:
        return waiting(self.connection.transport)

    @property
    def taken(self) -> int:
        # While writing is paused, only the connection itself writes, and it counts its bytes.
        written = self.connection.written() if isinstance(self.connection, Guarded) else 0
        return written - self.buffered

    @property
    def ending(self) -> Ending:
        if self.heard_end is None and self.connection.state is State.CLOSED:
            self.heard_end = socket_ending(self.connection.protocol)
        return super().ending

    def end(self, code: int, reason: str) -> None:
        self._task = asyncio.get_running_loop().create_task(self._end(code, reason))

    async def _end(self, code: int, reason: str) -> None:
        await self.connection.close(code, _reason(reason))

    def abort(self) -> None:
        self.connection.transport.abort()

    def unanswered(self) -> None:
        """Remove the client from the hub, because it answers no pings.

        The client's connection is closed later.
        """
        if self.client is not None:
            self._hub.closed(self.client)


def handler(hub: Hub) -> Callable[[ServerConnection], Awaitable[None]]:
    """Return the handler for ``websockets.asyncio.server.serve`` that connects clients to a hub.

    Also pass the arguments of :func:`serve_arguments` to ``serve``. A client may give its name and
    user id in the URL: ``ws://host:8765/?name=ada``.
    """
    # Import late, because the module loads many others that only servers of `websockets` need.
    from ...servers.fanout import Group

    hub.share_frames(Group)

    async def handle(connection: ServerConnection) -> None:
        # Use one stack frame and no generator, because each idle connection keeps it in memory.
        peer = WebSocketPeer(connection, hub=hub)
        client = None
        try:
            peer.client = client = await _opened(hub, peer)
            while client is not None:
                data = await connection.recv()
                if client.open and not peer.closing:
                    await hub.receive(client, data)
        except ConnectionClosed:
            pass
        finally:
            if client is not None:
                hub.closed(client)
            peer.client = None
            peer.ended()

    return handle


async def _opened(hub: Hub, peer: WebSocketPeer) -> Connection | None:
    """Register a client with the hub. If the hub refuses the client, close the WebSocket.

    Returns:
        The client's connection to the hub; None if the hub has refused the client.
    """
    connection = peer.connection
    path = connection.request.path if connection.request else ""
    # urlsplit raises ValueError for paths that begin with two slashes but have no valid host.
    where, _, query = path.partition("?")
    wanted = ConnectRequest.of(query)
    if hub.options.client_ids and where.startswith("/ws/"):
        wanted = wanted.at(unquote(where.removeprefix("/ws/")))
    headers = connection.request.headers.raw_items() if connection.request else ()
    try:
        peer.codec = in_shape(peer.codec, wanted.shape)
        return await hub.open(
            peer,
            name=wanted.name,
            user=wanted.user,
            client_id=wanted.client_id,
            since=wanted.since,
            credentials=credentials_of(hub, peer, wanted, headers),
        )
    except ProtocolError as error:
        code = hub.refuse(peer, error)
        # The application may have closed the connection already, with its own reason.
        reason = peer.ending.reason_sent if peer.closing else error.message
        await connection.close(code, _reason(reason or ""))
        return None


def serve_arguments(hub: Hub) -> dict[str, Any]:
    """Return the arguments for ``websockets.asyncio.server.serve`` that a hub needs."""
    return {
        "select_subprotocol": _select,
        "max_size": hub.options.max_size,
        "create_connection": GuardedServerConnection,
    }


def _select(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Select a connection's subprotocol; None if the client offers none that the hub supports.

    Raises:
        NegotiationError: the client asks for the monitoring feed, which only the admin listener
            serves.
    """
    if FEED_SUBPROTOCOL in offered:
        raise NegotiationError("this is a hub's public port; the admin listener has another one")
    # By default the library refuses clients without a supported subprotocol. The hub accepts them.
    chosen = select_subprotocol(offered)
    return None if chosen is None else Subprotocol(chosen)


def _reason(text: str) -> str:
    """Return a close reason cut to its maximum size."""
    return text.encode()[: limits.REASON_BYTES].decode(errors="ignore")


def _address(address: Any) -> str | None:
    """Return a socket address as ``host:port``; None if unknown."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(address) if address else None
