"""Server-sent events: what the hub says comes as a stream of events, what clients say by POST.

An event's name is the message type, its data the message in JSON, and its id the client's
positions in all places (:mod:`.positions`), which a browser sends back as ``Last-Event-ID`` when
it returns. docs/transports.md describes it for authors of clients.
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
from .abort import find_abort
from .async_sending_peer import METER, MONITOR, Latest, SendingPeer
from .connect_request import ConnectRequest, connect, credentials_of
from .positions import Positions, moves

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

_GRACE = 2.0
"""Seconds that readers have to take their farewell when uvicorn is told to stop."""

_RESERVED = frozenset({"error", "open"})
"""Events of EventSource's own: messages of these types come as ``message``, its default."""


@dataclass(frozen=True, slots=True)
class _Event:
    """A message as an event, with the position it takes its reader to; shared by all receivers."""

    encoded: bytes
    further: list[tuple[str, Position]]

    @classmethod
    def of(cls, data: str | bytes) -> Self:
        text = data if isinstance(data, str) else data.decode()
        message = msgspec.json.decode(text)
        kind = message["type"]
        event = ServerSentEvent(text, event=None if kind in _RESERVED else kind, sep="\n")
        return cls(event.encode(), moves(message))


class StreamPeer(SendingPeer):
    """A stream of events, and what is posted to it.

    Attributes:
        arrived: the connection, once the client is welcomed.
        token: a secret that the client shows when it posts; empty before its welcome.
    """

    transport = "sse"
    codec = JSON
    binary = False
    authenticates_later = False  # it is told what to post with in its welcome

    def __init__(self, streams: EventStreams, remote: str | None, path: str) -> None:
        super().__init__(streams.hub)
        self.remote, self.path = remote, path
        self.arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self.token = ""
        self._streams = streams
        self._positions = Positions()
        self._moved = False

    def entered(self, key: str, at: Position | None, **_: bool | None) -> None:
        self._positions.entered(key, at)
        self._moved = True

    def left(self, key: str) -> None:
        self._positions.left(key)
        self._moved = True

    def event(self, data: str | bytes) -> bytes:
        """A message as it goes on the wire, with an id if the client is further by it."""
        event = self._streams.event(data)
        if not self.token:
            self._introduce(data)
        self._moved |= self._positions.sent(event.further)
        if not self._moved:
            return event.encoded
        self._moved = False
        # Quoted, so no name in it can end the line.
        return f"id: {self._positions}\n".encode() + event.encoded

    def _introduce(self, data: str | bytes) -> None:
        message = msgspec.json.decode(data)
        if message["type"] == "welcome":
            self.token = message["payload"]["session"]
            self._streams.opened(self, self.token)

    def farewell(self) -> bytes:
        """The last event: why the stream ends, and whether to come back."""
        code, reason = self.goodbye or (close.GOING_AWAY, "")
        payload = catalog.Goodbye(code=code, reason=reason, retry=close.may_reconnect(code))
        data = JSON.encode(self._context.messages.message("disconnect", payload))
        return _Event.of(data).encoded


class _Answer(EventSourceResponse):
    """The answer that a stream is: when uvicorn is told to stop, its reader is told before it ends.

    sse-starlette learns of that from uvicorn's signal handler, for all streams of the process and
    for good: programs that serve several applications in turn or side by side, as notebooks
    and tests do, must not have their streams end by it.
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

    async def _listen_for_exit_signal(self) -> None:  # type: ignore[override]  # it is static there
        if not self._drain:
            await anyio.sleep_forever()
        await told_to_stop()
        self._peer.close(close.GOING_AWAY, "the server stops")


async def told_to_stop() -> None:
    """Wait until uvicorn is told to stop, by a signal."""
    await EventSourceResponse._listen_for_exit_signal()  # noqa: SLF001 - what it has for that


def _refusal(error: ProtocolError, code: int) -> Response:
    """Why there is no stream, in the words of HTTP (RFC 6750, 3) and of the protocol."""
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
    """The streams of a hub, as an ASGI application: GET opens one, POST says something on it.

    Args:
        hub: the hub.
        heartbeat: seconds between comments, which keep a quiet stream open in proxies.
        drain: whether streams end when uvicorn is told to stop.
        retry: seconds that browsers wait before they return.
    """

    def __init__(
        self, hub: Hub, *, heartbeat: float = 15.0, drain: bool = True, retry: float = 2.0
    ) -> None:
        self.hub = hub
        self._drain = drain
        self._heartbeat = heartbeat
        self._retry = ServerSentEvent(retry=int(retry * 1000), sep="\n").encode()
        self._open: dict[str, StreamPeer] = {}
        self.event = Latest(_Event.of)

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
        """A client that knows a stream's token can post to it."""
        self._open[token] = peer

    # GET

    async def _stream(self, request: Request, send: Send) -> None:
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
        # By now the response has begun, so a probe has a meter for it.
        peer.meter, peer.monitor = request.scope.get(METER), request.scope.get(MONITOR)
        arriving = asyncio.get_running_loop().create_task(self._arrive(peer, wanted, identity))
        try:
            yield self._retry
            while (messages := await peer.round()) is not None:
                yield b"".join([peer.event(data) for data in messages])
            yield peer.farewell()
        finally:
            arriving.cancel()
            # A stream has no close frames, so no code either.
            peer.heard_end = Ending(initiator="remote", cause="closed")
            self._open.pop(peer.token, None)
            peer.ended()
            if peer.arrived.done() and not peer.arrived.cancelled():
                self.hub.closed(peer.arrived.result())
            peer.arrived.cancel()

    async def _arrive(
        self, peer: StreamPeer, wanted: ConnectRequest, identity: User | None
    ) -> None:
        try:
            peer.arrived.set_result(await connect(self.hub, peer, wanted, identity=identity))
        except ProtocolError as error:
            peer.close(close_code(error, self.hub.options), error.message)
        except Exception:
            logger.exception("a stream could not be opened")
            peer.close(close.INTERNAL_ERROR, "the server failed")

    # POST

    async def _post(self, request: Request) -> Response:
        if request.method != "POST":
            raise HTTPException(
                405, "GET opens a stream, POST says something on it.", {"Allow": "GET, POST"}
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
        if not peer.open:  # messages after the close are ignored
            raise HTTPException(401, _ENDED)
        await self.hub.receive(connection, body)
        return Response(status_code=202)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.hub.options.max_size:
                raise HTTPException(
                    413, f"A message may have {self.hub.options.max_size} bytes: send less."
                )
        return bytes(body)
