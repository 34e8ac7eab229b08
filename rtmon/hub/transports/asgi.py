"""A hub as an ASGI application: WebSocket, server-sent events and Socket.IO on one port.

Run ``uvicorn mymodule:application`` with ``application = app(hub)``, or mount it with
``fastapi_app.mount("/live", app(hub))``. To count the connections with a Monitor, see
:func:`rtmon.asgi.measured`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import MissingExtra, ProtocolError
from ...metrics.connection_endings import disconnect_ending, vague
from ...protocol import close, limits
from ...protocol.codecs import for_subprotocol, select_subprotocol
from ...protocol.pubsub_shape import in_shape
from ...web import static_site
from ..admission.origins import REFUSAL, Origins, OriginsOption
from ..outgoing_messages import size_of
from .asgi_abort import find_abort
from .async_sending_peer import METER, MONITOR, SendingPeer
from .connect_request import ConnectRequest, credentials_of
from .socketio import SocketIO
from .sse import EventStreams, told_to_stop

try:
    from starlette.datastructures import Headers
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.types import Message, Receive, Scope, Send
except ImportError:
    raise MissingExtra("The ASGI transport", "starlette", "asgi") from None

if TYPE_CHECKING:
    from ..connection import Connection
    from ..hub import Hub

__all__ = ["ASGIPeer", "App", "app"]


class ASGIPeer(SendingPeer):
    """A WebSocket connection of an ASGI server."""

    transport = "websocket"

    def __init__(self, hub: Hub, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(hub)
        self.codec = for_subprotocol(select_subprotocol(scope.get("subprotocols", ())))
        self._scope, self._receive, self._send = scope, receive, send
        self.drop = find_abort(scope, receive)
        client = scope.get("client")
        self.remote = None if client is None else f"{client[0]}:{client[1]}"
        self.path = scope["path"]

    async def run(self, wanted: ConnectRequest) -> None:
        """Accept the WebSocket, and serve the connection until it ends."""
        await self._receive()  # websocket.connect
        offered = self._scope.get("subprotocols", ())
        await self._send({"type": "websocket.accept", "subprotocol": select_subprotocol(offered)})
        self.meter, self.monitor = self._scope.get(METER), self._scope.get(MONITOR)
        sending = asyncio.get_running_loop().create_task(self._sending())
        try:
            async with self.limit:
                await self._serve(wanted)
        except TimeoutError:
            pass  # the hub aborted the connection
        finally:
            self.ended()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _serve(self, wanted: ConnectRequest) -> None:
        """Open the hub's connection and receive messages, or refuse the client."""
        headers = Headers(scope=self._scope).items()
        try:
            self.codec = in_shape(self.codec, wanted.shape)
            connection = await self._hub.open(
                self,
                name=wanted.name,
                user=wanted.user,
                client_id=wanted.client_id,
                since=wanted.since,
                credentials=credentials_of(self._hub, self, wanted, headers),
            )
        except ProtocolError as error:
            self.close(self._hub.refuse(self, error), error.message)
            await self._discarding()
            return
        try:
            await self._receiving(connection)
        finally:
            self._hub.closed(connection)

    async def _receiving(self, connection: Connection) -> None:
        """Pass the client's messages to the hub until the client disconnects."""
        while (message := await self._receive())["type"] == "websocket.receive":
            data = _data(message)
            if size_of(data) > self._context.options.max_size:
                self.close(1009, f"a message may have {self._context.options.max_size} bytes")
            if self.open:
                await self._hub.receive(connection, data)
        self.heard_end = disconnect_ending(message, vague=vague(self._send))

    async def _discarding(self) -> None:
        """Read and ignore the messages of a refused client until it disconnects."""
        while (await self._receive())["type"] == "websocket.receive":
            pass

    async def _sending(self) -> None:
        # After a disconnect the server raises OSError, and reports the disconnect to receive().
        """Send queued messages until the connection ends, then close it."""
        with contextlib.suppress(OSError):
            while (messages := await self.round()) is not None:
                for data in messages:
                    kind = "text" if isinstance(data, str) else "bytes"
                    await self._send({"type": "websocket.send", kind: data})
            code, reason = self.goodbye or (close.GOING_AWAY, "")
            reason = reason.encode()[: limits.REASON_BYTES].decode(errors="ignore")
            await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        """Close the WebSocket, with a private close code if the server refuses a standard one.

        The ASGI server daphne refuses most standard codes.
        """
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception as problem:
            other = close.private_code(code)
            if isinstance(problem, OSError) or other == code:
                raise
            await self._send({"type": "websocket.close", "code": other, "reason": reason})


class App:
    """A hub as an ASGI application; see :func:`app`.

    Attributes:
        hub: the hub.
        socketio: the Socket.IO server of the hub.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        namespaces: Mapping[str, Hub],
        origins: OriginsOption,
        heartbeat: float,
        drain: bool,
        page: bool,
    ) -> None:
        self.hub = hub
        self.socketio = SocketIO({"/": hub, **namespaces})
        self._origins = Origins(origins)
        self._hubs = dict.fromkeys([hub, *namespaces.values()])
        # Browsers need CORS headers for allowed requests. Requests of other origins are refused
        # earlier.
        self._streams = CORSMiddleware(
            EventStreams(hub, heartbeat=heartbeat, drain=drain),
            allow_origin_regex=".*",
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
            allow_credentials=True,
        )
        self._page = page
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path = _below(scope)
        guarded = scope["type"] == "websocket" or path.startswith(("/socket.io", "/events"))
        secure = scope.get("scheme") in {"https", "wss"}
        if guarded and not self._origins.allows(Headers(scope=scope).getlist, secure=secure):
            await _refused(scope, receive, send)
        elif path.startswith("/socket.io"):
            self._watch()
            await self.socketio(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(path, scope, receive, send)
        elif path == "/events":
            await self._streams(scope, receive, send)
        else:
            if path == "/healthz":
                await self.hub.start()  # a mounted application gets no lifespan events
            await self._plain(path, Request(scope))(scope, receive, send)

    async def aclose(self) -> None:
        """Close all connections to the application's hubs, over all transports."""
        if self._draining is not None:
            self._draining.cancel()
        for hub in self._hubs:
            await hub.aclose()
        await self.socketio.aclose()

    def _watch(self) -> None:
        """Start a task that closes all Socket.IO clients when uvicorn is told to stop.

        The lifespan event comes too late for this: uvicorn sends it only when all requests have
        ended, and a long poll takes long to end.
        """
        if self._drain and (self._draining is None or self._draining.cancelled()):
            self._draining = asyncio.get_running_loop().create_task(self._part())

    async def _part(self) -> None:
        """Close all Socket.IO clients when uvicorn is told to stop."""
        await told_to_stop()
        self.socketio.farewell()

    async def _websocket(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket at ``/``, ``/ws`` or ``/ws/{client_id}``; reject other paths."""
        first, _, hint = path.removeprefix("/").partition("/")
        if first not in {"", "ws"} or "/" in hint:
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        wanted = ConnectRequest.of(scope.get("query_string", b"").decode("latin-1"))
        if hint:
            wanted = wanted.at(hint)
            scope["path_params"] = {**scope.get("path_params", {}), "client_id": hint}
        await ASGIPeer(self.hub, scope, receive, send).run(wanted)

    def _plain(self, path: str, request: Request) -> Response:
        """Answer a plain HTTP request: health check, chat page, or 404."""
        if path == "/healthz":
            status, text = self.hub.health
            return PlainTextResponse(text, status)
        if path == "/ws" or path.startswith("/ws/"):
            words = "This is a WebSocket: connect to it with ws:// or wss://.\n"
            return PlainTextResponse(words, 426, {"Upgrade": "websocket", "Connection": "Upgrade"})
        reply = self._page and static_site.respond(
            request.method,
            path,
            host=request.headers.get("host"),
            if_none_match=request.headers.get("if-none-match"),
        )
        status, headers, body = reply or static_site.not_found(request.method)
        return Response(body, status, dict(headers))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Start the hubs at startup, and close them at shutdown."""
        await receive()
        for hub in self._hubs:
            await hub.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def app(
    hub: Hub,
    *,
    namespaces: Mapping[str, Hub] | None = None,
    origins: OriginsOption = None,
    heartbeat: float = 15.0,
    drain: bool = True,
    page: bool = True,
) -> App:
    """Return a hub as an ASGI application, to run or to mount.

    Paths: ``/ws``, ``/ws/{client_id}`` (the display name, and with the option ``client_ids`` also
    the client id), ``/events`` (server-sent events), ``/socket.io``, ``/healthz``, and ``/`` for
    the chat page.

    Args:
        hub: the hub to serve. It is closed when the server that runs the application stops. If the
            application is mounted, close the hub yourself.
        namespaces: Socket.IO namespace → its hub, in addition to ``/``.
        origins: other origins whose web pages may connect, over any transport; ``"*"`` for all.
            Pages of the server's own origin, and programs, may always connect. See
            :class:`rtmon.hub.admission.origins.Origins`.
        heartbeat: seconds between comments on event streams. They keep proxies from closing quiet
            streams.
        drain: True to close event streams and polls when a signal stops uvicorn, which would
            otherwise wait for them. Set it to False if several servers share a process, or if the
            application is closed before the server, as :func:`rtmon.asgi.serve` does.
        page: True to serve the chat page.

    Raises:
        MissingExtra: a required package is not installed.
        OptionError: an origin is invalid.
    """
    return App(
        hub,
        namespaces=namespaces or {},
        origins=origins,
        heartbeat=heartbeat,
        drain=drain,
        page=page,
    )


async def _refused(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 403, or reject the WebSocket, because of the request's origin."""
    if scope["type"] == "http":
        await PlainTextResponse(REFUSAL, 403)(scope, receive, send)
    else:  # send no body: browsers do not show it, and uvicorn logs an error for one
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": close.POLICY})


def _below(scope: Scope) -> str:
    """Return the request's path relative to the path where the application is mounted."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(root) else path


def _data(message: Message) -> str | bytes:
    """Return the text or the bytes of an ASGI message."""
    text: str | None = message.get("text")
    return message["bytes"] if text is None else text
