"""Server-sent events transport: an event stream to the client, and POST requests from it.

An event's name is the message type. Its data is the message in JSON. Its id has the client's
positions in all rooms and channels (:mod:`.client_positions`). A browser that reconnects sends the
id back as ``Last-Event-ID``. docs/transports.md describes the transport for authors of clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec

from ...errors import MissingExtra, ProtocolError
from ...metrics.records import Ending
from ...protocol import catalog, close
from ...protocol.catalog import Position
from ...protocol.codecs import JSON
from ..admission.refusals import close_code
from .asgi_abort import find_abort
from .async_sending_peer import METER, MONITOR, LastResultCache, SendingPeer
from .client_positions import ClientPositions, moves
from .connect_request import ConnectRequest, connect, credentials_of

try:
    import anyio
    from sse_starlette import EventSourceResponse, ServerSentEvent
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.types import Receive, Scope, Send
except ImportError:
    raise MissingExtra("The SSE transport", "sse-starlette", "asgi") from None

if TYPE_CHECKING:
    from ..admission.authentication import User
    from ..connection import Connection
    from ..hub import Hub

__all__ = ["EventStreams", "StreamPeer", "told_to_stop"]

logger = logging.getLogger("rtmon.hub")

_ENDED = "The stream has ended: open another one."
"""Error text for a POST to a stream that has ended."""

_GRACE = 2.0
"""Seconds that clients have to receive the last event after uvicorn was told to stop."""

_RESERVED = frozenset({"error", "open"})
"""Event names that EventSource uses itself. Messages of these types are sent as the default event
``message``."""


@dataclass(frozen=True, slots=True)
class _Event:
    """A message encoded as an event. All receivers share it.

    Attributes:
        encoded: the event as bytes, without its id.
        further: the positions that a client reaches by receiving the message.
    """

    encoded: bytes
    further: list[tuple[str, Position]]

    @classmethod
    def of(cls, data: str | bytes) -> Self:
        """Encode a message as a server-sent event."""
        text = data if isinstance(data, str) else data.decode()
        message = msgspec.json.decode(text)
        kind = message["type"]
        event = ServerSentEvent(text, event=None if kind in _RESERVED else kind, sep="\n")
        return cls(event.encode(), moves(message))


class StreamPeer(SendingPeer):
    """An event stream to one client, and the client's POST requests.

    Attributes:
        arrived: future of the hub's connection, set once the client is welcomed.
        token: secret that the client sends with each POST; empty before the welcome.
    """

    transport = "sse"
    codec = JSON
    binary = False
    authenticates_later = False  # a client can POST only after its welcome

    def __init__(self, streams: EventStreams, remote: str | None, path: str) -> None:
        super().__init__(streams.hub)
        self.remote, self.path = remote, path
        self.arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self.token = ""
        self._streams = streams
        self._positions = ClientPositions()
        self._moved = False

    def entered(self, key: str, at: Position | None, **_: bool | None) -> None:
        self._positions.entered(key, at)
        self._moved = True

    def left(self, key: str) -> None:
        self._positions.left(key)
        self._moved = True

    def event(self, data: str | bytes) -> bytes:
        """Return a message as an event, with an id if the client's positions have changed."""
        event = self._streams.event(data)
        if not self.token:
            self._introduce(data)
        self._moved |= self._positions.sent(event.further)
        if not self._moved:
            return event.encoded
        self._moved = False
        # The positions are percent-encoded, so no name can end the line.
        return f"id: {self._positions}\n".encode() + event.encoded

    def _introduce(self, data: str | bytes) -> None:
        """If a message is the client's welcome, store the token that the welcome contains."""
        message = msgspec.json.decode(data)
        if message["type"] == "welcome":
            self.token = message["payload"]["session"]
            self._streams.opened(self, self.token)

    def farewell(self) -> bytes:
        """Return the last event: why the stream ends, and whether to reconnect."""
        code, reason = self.goodbye or (close.GOING_AWAY, "")
        payload = catalog.Goodbye(code=code, reason=reason, retry=close.may_reconnect(code))
        data = JSON.encode(self._context.messages.message("disconnect", payload))
        return _Event.of(data).encoded


class _Answer(EventSourceResponse):
    """HTTP response with an event stream, which ends with a last event when uvicorn stops.

    sse-starlette reacts to uvicorn's signal handler by ending all streams of the process,
    permanently. That would also end streams of other applications in the process, as in notebooks
    and tests.
    """

    def __init__(
        self, peer: StreamPeer, events: AsyncGenerator[bytes, None], *, ping: float, drain: bool
    ) -> None:
        super().__init__(
            events,
            ping=ping,
            ping_message_factory=lambda: ServerSentEvent(comment="", sep="\n"),
            sep="\n",
            shutdown_grace_period=_GRACE,
        )
        self._peer, self._drain = peer, drain

    async def _listen_for_exit_signal(self) -> None:  # type: ignore[override]  # a static method there
        if not self._drain:
            await anyio.sleep_forever()
        await told_to_stop()
        self._peer.close(close.GOING_AWAY, "the server stops")


async def told_to_stop() -> None:
    """Wait until a signal tells uvicorn to stop."""
    # sse-starlette has no public function for this.
    await EventSourceResponse._listen_for_exit_signal()  # noqa: SLF001 - see above


def _refusal(error: ProtocolError, code: int) -> Response:
    """Return the HTTP response for a refused client: a status of RFC 6750, 3, and a JSON body."""
    goodbye = catalog.Goodbye(
        code=code,
        reason=error.message,
        retry=close.may_reconnect(code),
        retry_after=error.retry_after,
    )
    status = 401 if code in {close.UNAUTHORIZED, close.POLICY, close.TOKEN_EXPIRED} else 503
    challenge = "Bearer" if error.code == "unauthorized" else 'Bearer error="invalid_token"'
    headers = {"WWW-Authenticate": challenge} if status == 401 else {}
    return Response(msgspec.json.encode(goodbye), status, headers, "application/json")


class EventStreams:
    """The event streams of a hub, as an ASGI application. GET opens one, POST sends a message.

    Args:
        hub: the hub.
        heartbeat: seconds between comments, which keep proxies from closing a quiet stream.
        drain: True to end streams when uvicorn is told to stop.
        retry: seconds that browsers wait before they reconnect.
    """

    def __init__(
        self, hub: Hub, *, heartbeat: float = 15.0, drain: bool = True, retry: float = 2.0
    ) -> None:
        self.hub = hub
        self._drain = drain
        self._heartbeat = heartbeat
        self._retry = ServerSentEvent(retry=int(retry * 1000), sep="\n").encode()
        self._open: dict[str, StreamPeer] = {}
        self.event = LastResultCache(_Event.of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "GET":
            await self._stream(request, send)
            return
        try:
            response = await self._post(request)
        except ClientDisconnect:
            return
        except HTTPException as error:
            response = PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
        await response(scope, receive, send)

    def opened(self, peer: StreamPeer, token: str) -> None:
        """Register a stream under the token with which its client sends POST requests."""
        self._open[token] = peer

    # GET

    async def _stream(self, request: Request, send: Send) -> None:
        """Answer GET: authenticate the client, and send the event stream."""
        client = request.client
        remote = None if client is None else f"{client.host}:{client.port}"
        peer = StreamPeer(self, remote, request.url.path)
        peer.drop = find_abort(request.scope, request.receive)
        wanted = ConnectRequest.of(request.url.query)
        returning = request.headers.get("last-event-id") or request.query_params.get(
            "last_event_id"
        )
        identity: User | None = None
        credentials = credentials_of(self.hub, peer, wanted, request.headers.items())
        if credentials is not None:
            try:
                identity = await self.hub.authenticate(peer, credentials)
            except ProtocolError as error:
                refusal = _refusal(error, close_code(error, self.hub.options))
                await refusal(request.scope, request.receive, send)
                return
        events = self._events(peer, wanted.with_positions(returning), identity, request)
        response = _Answer(peer, events, ping=self._heartbeat, drain=self._drain)
        with contextlib.suppress(TimeoutError):
            async with peer.limit:
                await response(request.scope, request.receive, send)

    async def _events(
        self, peer: StreamPeer, wanted: ConnectRequest, identity: User | None, request: Request
    ) -> AsyncGenerator[bytes, None]:
        # The response has started now, so a probe has created a meter for it.
        """Yield the events of a stream until it ends."""
        peer.meter, peer.monitor = request.scope.get(METER), request.scope.get(MONITOR)
        arriving = asyncio.get_running_loop().create_task(self._arrive(peer, wanted, identity))
        try:
            yield self._retry
            while (messages := await peer.round()) is not None:
                yield b"".join([peer.event(data) for data in messages])
            yield peer.farewell()
        finally:
            arriving.cancel()
            # A stream has no close frames, and so no close code.
            peer.heard_end = Ending(initiator="remote", cause="closed")
            self._open.pop(peer.token, None)
            peer.ended()
            if peer.arrived.done() and not peer.arrived.cancelled():
                self.hub.closed(peer.arrived.result())
            peer.arrived.cancel()

    async def _arrive(
        self, peer: StreamPeer, wanted: ConnectRequest, identity: User | None
    ) -> None:
        """Open the hub's connection, or close the stream if the client is refused."""
        try:
            peer.arrived.set_result(await connect(self.hub, peer, wanted, identity=identity))
        except ProtocolError as error:
            peer.close(close_code(error, self.hub.options), error.message)
        except Exception:
            logger.exception("a stream could not be opened")
            peer.close(close.INTERNAL_ERROR, "the server failed")

    # POST

    async def _post(self, request: Request) -> Response:
        """Answer POST: pass the message to the hub.

        Raises:
            HTTPException: the method, the token or the size is wrong, or the stream has ended.
        """
        if request.method != "POST":
            raise HTTPException(
                405, "GET opens a stream, POST sends a message on it.", {"Allow": "GET, POST"}
            )
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        peer = self._open.get(token.strip() if scheme.lower() == "bearer" else "")
        if peer is None:
            raise HTTPException(
                401,
                "No stream with this token is open: open one, and send the session of its first "
                "welcome as a bearer token.",
                {"WWW-Authenticate": "Bearer"},
            )
        body = await self._body(request)
        if peer.meter is not None:
            peer.meter.received(len(body))
        try:
            connection = await asyncio.shield(peer.arrived)
        except asyncio.CancelledError:
            if not peer.arrived.cancelled():
                raise
            raise HTTPException(401, _ENDED) from None
        if not peer.open:  # no messages are handled after the close
            raise HTTPException(401, _ENDED)
        await self.hub.receive(connection, body)
        return Response(status_code=202)

    async def _body(self, request: Request) -> bytes:
        """Read the body of a POST.

        Raises:
            HTTPException: the body is larger than a message may be.
        """
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.hub.options.max_size:
                raise HTTPException(
                    413, f"A message may have {self.hub.options.max_size} bytes: send less."
                )
        return bytes(body)
