"""Socket.IO, protocol 5: clients of the hub that are clients of socket.io-client 4.

What the hub says is an event named after its type, with the whole message and the client's
positions (:mod:`.positions`) as arguments; what a client emits is a message of the event's name,
and a callback gets the answer. docs/transports.md describes it for authors of clients.
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
from ...metrics.close_endings import ENGINEIO_ENDINGS
from ...metrics.records import Ending
from ...protocol import close, limits
from ...protocol.values import Token, explain
from ..admission.refusals import close_code
from ..place_keys import channel_key, room_key
from .abort import AbortableWebSocket, find_abort
from .async_sending_peer import Latest
from .connect_request import ConnectRequest, connect, credentials_of
from .socketio_packets import PacketError, TooLargeError, checked, read_body, read_packets
from .socketio_peer import Event, SocketIOPeer
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
"""The version of Engine.IO's protocol that is spoken; clients send it as ``EIO``."""

OTHER_VERSION = (
    f"Unsupported protocol version: this server speaks Engine.IO {ENGINEIO}; "
    "use socket.io-client 3 or 4."
)

_WEBSOCKET = "rtmon.websocket"
"""Scope key: the WebSocket below a connection, to cut it."""


class _Auth(msgspec.Struct):
    """What a client says when it connects to a namespace."""

    token: Token | None = None
    name: str | None = None
    user: str | None = None
    rooms: Annotated[list[str], msgspec.Meta(max_length=limits.ROOMS_PER_CLIENT)] = []
    channels: Annotated[list[str], msgspec.Meta(max_length=limits.CHANNELS_PER_CLIENT)] = []
    client_id: str | None = None
    offset: str | None = None
    pid: str | None = None

    def wanted(self, address: ConnectRequest) -> ConnectRequest:
        """The same with what stands in the address, too."""
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


class _Namespace(socketio.AsyncNamespace):  # type: ignore[misc]  # has no types
    """A namespace, and the hub behind it."""

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
        before = peer.errors
        await peer.receive(event, rest, asked.get())
        if peer.errors > before:
            self._transport.failed(self.namespace, event)
        return None

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
        if sid not in self.peers:  # it ended meanwhile
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
    """The Socket.IO server of some hubs, as an ASGI application.

    Args:
        hubs: namespace → the hub behind it. Others are refused.

    Raises:
        OptionError: this version of python-socketio is another one inside.

    Attributes:
        server: python-socketio's.
        meter: returns the meter of a connection, by its sid and namespace; set by a probe.
        failed: counts an event that was answered with an error, by its namespace and name; set
            by a probe.
    """

    def __init__(self, hubs: Mapping[str, Hub]) -> None:
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.ERROR)  # or clients could fill it: each packet is told
        self.meter: Callable[[str, str], Any] = lambda _sid, _namespace: None
        self.failed: Callable[[str, str], None] = lambda _namespace, _event: None
        self.server = SocketIOServer(
            patience=lambda: max(hub.options.auth_timeout for hub in hubs.values()),
            async_mode="asgi",
            async_handlers=False,  # or a client's events would overtake each other
            cors_allowed_origins="*",  # other origins were refused before
            # As JSON, and with base64, a message is larger than what it is taken as.
            max_http_buffer_size=2 * max(hub.options.max_size for hub in hubs.values()),
            logger=logger,
            engineio_logger=logger,
        )
        for namespace, hub in hubs.items():
            self.server.register_namespace(_Namespace(namespace, hub, self))
        self._upgraded: dict[str, AbortableWebSocket] = {}
        self._events = Latest(Event.of)

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
                engine.upgrading = False  # it goes on polling; python-engineio forgets to say so

    async def _post(self, sid: str, scope: Any, receive: Any, send: Any) -> None:
        """Take packets that were posted: all of them before any, so that none is lost."""
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
            del self.server.eio.sockets[sid]  # python-engineio raises where it finds one
        await self.server.handle_request(scope, _nothing_more, send)

    async def _refuse(
        self, sid: str, response: PlainTextResponse, scope: Any, receive: Any, send: Any
    ) -> None:
        await self.server.end(sid)
        await response(scope, receive, send)

    def peer(self, namespace: _Namespace, sid: str, environ: dict[str, Any]) -> SocketIOPeer:
        """A connection to a namespace that is about to be let in."""
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
        scope = environ.get("asgi.scope", {})
        for websocket in (scope.get(_WEBSOCKET), self._upgraded.get(eio_sid)):
            if websocket is not None:
                websocket.cut()

    def farewell(self) -> None:
        """Tell all clients that the server stops: a poll that waits is answered."""
        for namespace in self.server.namespace_handlers.values():
            for peer in list(namespace.peers.values()):
                peer.close(close.GOING_AWAY, "the server stops")

    async def aclose(self) -> None:
        """End python-engineio's own task. Idempotent."""
        if self.server.eio.service_task_handle is not None:  # it stumbles over none
            with contextlib.suppress(asyncio.CancelledError):
                await self.server.shutdown()


async def _refuse_version(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a client of another protocol version, with the error of Socket.IO's own server."""
    if scope["type"] == "http":
        await JSONResponse({"code": 5, "message": OTHER_VERSION}, 400)(scope, receive, send)
        return
    # Only after the handshake can a WebSocket be told a reason.
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1002, "reason": OTHER_VERSION})


async def _nothing_more() -> dict[str, Any]:
    """The rest of a request after its body was read."""
    return {"type": "http.request", "body": b"", "more_body": False}
