"""Socket.IO transport (protocol 5), for clients that use socket.io-client 4.

The hub sends each message as an event named after the message type. The arguments are the whole
message and the client's positions (:mod:`.client_positions`). An event from a client is a message
of that type, and an acknowledgement callback gets the answer. docs/transports.md describes the
transport for authors of clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs

import msgspec

from ...errors import MissingExtra, ProtocolError
from ...metrics.connection_endings import ENGINEIO_ENDINGS
from ...metrics.records import Ending
from ...protocol import close, limits
from ...protocol.field_types import Token, explain
from ..admission.refusals import close_code
from ..room_channel_keys import channel_key, room_key
from .asgi_abort import AbortableWebSocket, find_abort
from .async_sending_peer import LastResultCache
from .connect_request import ConnectRequest, connect, credentials_of
from .engineio_packets import PacketError, TooLargeError, checked, read_body, read_packets
from .socketio_peer import ENVELOPE, Event, SocketIOPeer
from .socketio_server import PACKETS, SocketIOServer, asked, logger

try:
    import socketio  # type: ignore[import-untyped]
    from starlette.datastructures import Headers
    from starlette.responses import JSONResponse, PlainTextResponse
except ImportError:
    raise MissingExtra("The Socket.IO transport", "python-socketio", "asgi") from None

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["SocketIO"]

ENGINEIO = "4"
"""Supported version of the Engine.IO protocol. Clients send their version as ``EIO``."""

OTHER_VERSION = (
    f"Unsupported protocol version: this server speaks Engine.IO {ENGINEIO}; "
    "use socket.io-client 3 or 4."
)

_WEBSOCKET = "rtmon.websocket"
"""ASGI scope key of the WebSocket of a connection, used to abort it."""


class _Auth(msgspec.Struct):
    """The ``auth`` object of a client that connects to a namespace."""

    token: Token | None = None
    name: str | None = None
    user: str | None = None
    rooms: Annotated[list[str], msgspec.Meta(max_length=limits.ROOMS_PER_CLIENT)] = []
    channels: Annotated[list[str], msgspec.Meta(max_length=limits.CHANNELS_PER_CLIENT)] = []
    client_id: str | None = None
    offset: str | None = None
    pid: str | None = None

    def wanted(self, address: ConnectRequest) -> ConnectRequest:
        """Return the connect parameters from ``auth``, with those in the URL as defaults."""
        places = [*map(room_key, self.rooms), *map(channel_key, self.channels)]
        return ConnectRequest(
            name=self.name or address.name,
            user=self.user or address.user,
            client_id=self.client_id or address.client_id,
            since=address.since,
            token=address.token,
            places={**address.places, **dict.fromkeys(places)},
            positions=self.offset or "",
        )


class _Namespace(socketio.AsyncNamespace):  # type: ignore[misc]  # untyped library
    """A Socket.IO namespace and its hub."""

    def __init__(self, namespace: str, hub: Hub, transport: SocketIO) -> None:
        super().__init__(namespace)
        self.hub = hub
        self.peers: dict[str, SocketIOPeer] = {}
        self._transport = transport

    async def trigger_event(self, event: str, *args: Any) -> Any:
        if event == "connect":
            return await self._connect(*args)
        if event == "disconnect":
            self._disconnect(*args)
            return None
        sid, *rest = args
        peer = self.peers.get(sid)
        if peer is None or peer.member is None:
            return None
        before, known = peer.errors, event == ENVELOPE or self.hub.handles(event)
        await peer.receive(event, rest, asked.get())
        if peer.errors > before:
            self._transport.failed(self.namespace, event if known else None)
        # A probe counts an unknown event without its name, because clients could send any number
        # of names.
        return None if known else self.server.not_handled

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> bool:
        try:
            said = msgspec.convert(auth or {}, _Auth)
        except msgspec.ValidationError as error:
            raise socketio.exceptions.ConnectionRefusedError(f"auth: {explain(error)}") from None
        wanted = said.wanted(ConnectRequest.of(environ.get("QUERY_STRING", "")))
        peer = self.peers[sid] = self._transport.peer(self, sid, environ)
        headers = Headers(scope=environ["asgi.scope"]).items()
        credentials = credentials_of(self.hub, peer, wanted, headers, said=said.token)
        try:
            connection = await connect(self.hub, peer, wanted, credentials=credentials)
        except ProtocolError as error:
            self._disconnect(sid)
            code = close_code(error, self.hub.options)
            data = {"code": error.code, "close": code, "retry": close.may_reconnect(code)}
            raise socketio.exceptions.ConnectionRefusedError(error.message, data) from None
        except BaseException:
            self._disconnect(sid)
            raise
        if sid not in self.peers:  # the client disconnected during the await
            self.hub.closed(connection)
            return False
        peer.welcomed(connection, said.pid)
        return True

    def _disconnect(self, sid: str, reason: str = "") -> None:
        peer = self.peers.pop(sid, None)
        if peer is not None:
            initiator, cause = ENGINEIO_ENDINGS.get(reason, (None, None))
            peer.heard_end = Ending(initiator=initiator, reason_received=reason, cause=cause)
            peer.gone()


class SocketIO:
    """Socket.IO server for one or more hubs, as an ASGI application.

    Args:
        hubs: namespace → its hub. Other namespaces are refused.

    Raises:
        OptionError: the installed version of python-socketio is not supported.

    Attributes:
        server: the server of python-socketio.
        meter: returns the meter of a connection, by its sid and namespace; set by a probe.
        failed: counts an event that was answered with an error, by namespace and event (None if
            the event is unknown); set by a probe.
    """

    def __init__(self, hubs: Mapping[str, Hub]) -> None:
        if logger.level == logging.NOTSET:
            # At lower levels, the library logs each packet, so clients could fill the log.
            logger.setLevel(logging.ERROR)
        self.meter: Callable[[str, str], Any] = lambda _sid, _namespace: None
        self.failed: Callable[[str, str | None], None] = lambda _namespace, _event: None
        self.server = SocketIOServer(
            patience=lambda: max(hub.options.auth_timeout for hub in hubs.values()),
            async_mode="asgi",
            async_handlers=False,  # keeps a client's events in order
            cors_allowed_origins="*",  # App refuses other origins earlier
            # In JSON with base64, a message is larger than its MessagePack form, to which max_size
            # applies.
            max_http_buffer_size=2 * max(hub.options.max_size for hub in hubs.values()),
            logger=logger,
            engineio_logger=logger,
        )
        for namespace, hub in hubs.items():
            self.server.register_namespace(_Namespace(namespace, hub, self))
        self._upgraded: dict[str, AbortableWebSocket] = {}
        self._events = LastResultCache(Event.of)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        sid = query.get("sid", [""])[0]
        if not sid and query.get("EIO") != [ENGINEIO]:
            await _refuse_version(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(sid, scope, receive, send)
        elif scope["method"] == "POST" and sid in self.server.eio.sockets:
            await self._post(sid, scope, receive, send)
        else:
            await self.server.handle_request(scope, receive, send)

    async def _websocket(self, sid: str, scope: Any, receive: Any, send: Any) -> None:
        """Serve a WebSocket: a new connection, or the upgrade of a polling one."""
        websocket = AbortableWebSocket(receive, send, find_abort(scope, receive))
        scope[_WEBSOCKET] = self._upgraded[sid] = websocket

        async def receive_packet() -> Any:
            message = await websocket.receive()
            if message["type"] == "websocket.receive" and message.get("text") is not None:
                checked(message["text"])
            return message

        try:
            await self.server.handle_request(scope, receive_packet, websocket.send)
        finally:
            if self._upgraded.get(sid) is websocket:
                del self._upgraded[sid]
            engine = self.server.eio.sockets.get(sid)
            if engine is not None and not engine.upgraded:
                # After a failed upgrade, the client goes on polling. python-engineio itself does
                # not reset ``upgrading``.
                engine.upgrading = False

    async def _post(self, sid: str, scope: Any, receive: Any, send: Any) -> None:
        """Process the packets of a POST, after reading its whole body so that no packet is lost."""
        most = self.server.eio.max_http_buffer_size
        try:
            body = await read_body(scope, receive, most)
            if body is None:
                return
            scope[PACKETS] = read_packets(body)
        except TooLargeError:
            words = f"A POST may have {most} bytes: send less.\n"
            await self._refuse(sid, PlainTextResponse(words, 413), scope, receive, send)
            return
        except PacketError as error:
            await self._refuse(sid, PlainTextResponse(f"{error}\n", 400), scope, receive, send)
            return
        engine = self.server.eio.sockets.get(sid)
        if engine is not None and engine.closed:
            del self.server.eio.sockets[sid]  # python-engineio would raise for a closed connection
        await self.server.handle_request(scope, _nothing_more, send)

    async def _refuse(
        self, sid: str, response: PlainTextResponse, scope: Any, receive: Any, send: Any
    ) -> None:
        """End a connection, and answer its POST with an error."""
        await self.server.end(sid)
        await response(scope, receive, send)

    def peer(self, namespace: _Namespace, sid: str, environ: dict[str, Any]) -> SocketIOPeer:
        """Create the Peer for a client that connects to a namespace."""
        eio_sid = self.server.manager.eio_sid_from_sid(sid, namespace.namespace)
        peer = SocketIOPeer(
            namespace.hub,
            self.server,
            sid=sid,
            namespace=namespace.namespace,
            engine=self.server.eio.sockets[eio_sid],
            cut=lambda: self._cut(eio_sid, environ),
            events=self._events,
        )
        scope = environ.get("asgi.scope", {})
        client, peer.path = scope.get("client"), scope.get("path")
        peer.remote = None if client is None else f"{client[0]}:{client[1]}"
        peer.meter = self.meter(sid, namespace.namespace)
        peer.start()
        return peer

    def _cut(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """Abort the WebSocket of an Engine.IO connection.

        This is the WebSocket with which the connection began, or to which it was upgraded from
        polling.
        """
        scope = environ.get("asgi.scope", {})
        for websocket in (scope.get(_WEBSOCKET), self._upgraded.get(eio_sid)):
            if websocket is not None:
                websocket.cut()

    def farewell(self) -> None:
        """Close all clients with 1001, which also answers their waiting polls."""
        for namespace in self.server.namespace_handlers.values():
            for peer in list(namespace.peers.values()):
                peer.close(close.GOING_AWAY, "the server stops")

    async def aclose(self) -> None:
        """Stop python-engineio's background task. May be called twice."""
        # shutdown() fails if the task was never started.
        if self.server.eio.service_task_handle is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self.server.shutdown()


async def _refuse_version(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a client of another protocol version, with the reference server's error."""
    if scope["type"] == "http":
        await JSONResponse({"code": 5, "message": OTHER_VERSION}, 400)(scope, receive, send)
        return
    # Accept the WebSocket first, because only an open WebSocket can carry a close reason.
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1002, "reason": OTHER_VERSION})


async def _nothing_more() -> dict[str, Any]:
    """ASGI ``receive`` that returns an empty body, because the body was already read."""
    return {"type": "http.request", "body": b"", "more_body": False}
