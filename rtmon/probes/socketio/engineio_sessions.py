"""The connections of a Socket.IO server: Engine.IO sessions over polling or WebSocket."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ...metrics.connection_endings import ENGINEIO_ENDINGS, disconnect_ending, vague
from ...metrics.meter import Ending
from ...protocol.close import ABNORMAL
from ..asgi.application_run import CLAIMS, Message, Receive
from ..base import ConnectionProbe, attempt, peer_address, text_size
from ..nested_probes import take_over

if TYPE_CHECKING:
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["EngineIOSessions"]

_PING, _PONG, _MESSAGE = 2, 3, 4
"""Numbers of packet types in version 4 of the Engine.IO protocol."""


class EngineIOSessions:
    """Counts the sessions of an ``engineio.AsyncServer``, and their messages.

    Attributes:
        open: the open sessions by session id.
        upgrades: number of sessions that began with polling and changed to a WebSocket.
    """

    def __init__(self, eio: Any, monitor: Recorder) -> None:
        self.open: dict[str, EngineIOSession] = {}
        self.upgrades = 0
        self._eio = eio
        self._monitor = monitor
        self._now = monitor.clock.monotonic
        self._attempt = functools.partial(attempt, monitor)
        handlers = eio.handlers
        handlers["connect"] = self._connecting(handlers["connect"])
        handlers["disconnect"] = self._disconnecting(handlers["disconnect"])
        eio.handle_request = self._requesting(eio.handle_request)

    def _connecting(self, original: Callable[..., Awaitable[Any]]) -> Any:
        async def connect(eio_sid: str, environ: dict[str, Any]) -> Any:
            answer = await original(eio_sid, environ)
            if answer is None or answer is True:  # any other value refuses the client
                self._attempt(self._opened, eio_sid, environ)
            return answer

        return connect

    def _opened(self, eio_sid: str, environ: dict[str, Any]) -> None:
        transport = parse_qs(environ.get("QUERY_STRING", "")).get("transport", ["polling"])[0]
        session = EngineIOSession(self._monitor, transport=f"socketio-{transport}")
        if not session.counted:
            return
        self._take_over(environ.get("asgi.scope", {}))
        meter = session.meter
        meter.remote = _remote(environ)
        meter.path = environ.get("PATH_INFO")
        meter.user_agent = environ.get("HTTP_USER_AGENT")
        meter.request = environ.get("asgi.scope", {}).get("headers")
        self.open[eio_sid] = session
        session.listen_to(environ.get("asgi.receive"))
        socket = self._eio.sockets[eio_sid]
        socket.poll = self._polling(socket.poll, eio_sid, session)
        socket.receive = self._receiving(socket.receive, session)
        socket.handle_get_request = self._claiming(socket.handle_get_request)
        socket.handle_post_request = self._claiming(socket.handle_post_request)
        session.opened()

    def _disconnecting(self, original: Callable[..., Awaitable[Any]]) -> Any:
        async def disconnect(eio_sid: str, *reason: str) -> Any:
            try:
                return await original(eio_sid, *reason)
            finally:
                self._attempt(self._closed, eio_sid, *reason)

        return disconnect

    def _closed(self, eio_sid: str, reason: str = "") -> None:
        session = self.open.pop(eio_sid, None)
        if session is not None:
            session.ended(self._ending(session, reason))

    def _ending(self, session: EngineIOSession, reason: str) -> Ending:
        """Return how the session ended, from Engine.IO's reason; it has no close codes."""
        end = self._said(session, reason)
        slow = session.meter.too_slow and end.initiator != "remote"
        return replace(end, cause="slow consumer") if slow else end

    def _said(self, session: EngineIOSession, reason: str) -> Ending:
        if reason == "transport close" and session.receive is not None:
            if session.receive.farewell is not None:
                return disconnect_ending(session.receive.farewell, vague=session.receive.vague)
            silence = self._now() - session.receive.heard_at
            if silence >= self._eio.ping_interval + self._eio.ping_timeout:
                reason = "ping timeout"  # python-engineio waits this long for any packet
        initiator, cause = ENGINEIO_ENDINGS.get(reason, (None, None))
        broken = cause is not None and cause != "closed"
        native = session.meter.transport == "socketio-websocket"
        return Ending(
            close_code=ABNORMAL if broken and native else None,
            reason_sent=reason if initiator == "local" else None,
            reason_received=reason if initiator == "remote" else None,
            initiator=initiator,
            cause=cause,
        )

    def _requesting(self, original: Callable[..., Awaitable[Any]]) -> Any:
        async def handle_request(*args: Any, **kwargs: Any) -> Any:
            # Under ASGI, the arguments are scope, receive and send; elsewhere a request object.
            if len(args) == 3 and isinstance(args[0], MutableMapping):
                args = (args[0], _Listening(args[1], self._now, vague=vague(args[2])), args[2])
                self._attempt(self._requested, *args)
            return await original(*args, **kwargs)

        return handle_request

    def _requested(self, scope: Mapping[str, Any], receive: _Listening, _send: Any) -> None:
        """Stop an outer ASGI probe from counting a request that belongs to a session."""
        query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        session = self.open.get(query.get("sid", [""])[0])
        if session is not None:
            self._take_over(scope)
            if scope["type"] == "websocket":
                session.listen_to(receive)

    def _claiming(self, original: Callable[..., Awaitable[Any]]) -> Any:
        """Stop the probe of aiohttp or Tornado from counting the requests of a session."""

        async def handle(environ: dict[str, Any]) -> Any:
            self._attempt(take_over, self._monitor)
            return await original(environ)

        return handle

    def _take_over(self, scope: Mapping[str, Any]) -> None:
        take_over(self._monitor)
        outer = scope.get(CLAIMS, {}).get(self._monitor)
        if outer is not None:
            outer.stand_aside()

    def _polling(
        self, original: Callable[[], Awaitable[Any]], eio_sid: str, session: EngineIOSession
    ) -> Any:
        async def poll() -> Any:
            self._attempt(self._look_at_transport, eio_sid, session)
            packets = await original()
            self._attempt(self._sent, packets, session)
            return packets

        return poll

    def _look_at_transport(self, eio_sid: str, session: EngineIOSession) -> None:
        if eio_sid not in self.open:
            return
        transport = f"socketio-{self._eio.transport(eio_sid)}"
        meter = session.meter
        if transport != meter.transport:
            meter.transport = transport
            meter.mark()
            self.upgrades += 1

    def _sent(self, packets: list[Any], session: EngineIOSession) -> None:
        meter = session.meter
        meter.last = now = self._now()
        meter.mark()
        for packet in packets:
            if packet.packet_type == _PING:
                session.pinged = now
            elif packet.packet_type == _MESSAGE:
                whole = session.outgoing.add(packet.data)
                if whole is not None:
                    meter.sent(whole, binary=session.outgoing.binary)

    def _receiving(
        self, original: Callable[[Any], Awaitable[Any]], session: EngineIOSession
    ) -> Any:
        async def receive(packet: Any) -> Any:
            self._attempt(self._received, packet, session)
            return await original(packet)

        return receive

    def _received(self, packet: Any, session: EngineIOSession) -> None:
        meter = session.meter
        meter.last = now = self._now()
        meter.mark()
        if packet.packet_type == _MESSAGE:
            whole = session.incoming.add(packet.data)
            if whole is not None:
                meter.received(whole, binary=session.incoming.binary)
        elif packet.packet_type == _PONG and session.pinged is not None:
            pinged, session.pinged = session.pinged, None
            session.round_trip(now - pinged)


class _Listening:
    """Wraps an ASGI ``receive``, and records how its WebSocket ended.

    Attributes:
        heard_at: time of the last message, in monotonic seconds.
        farewell: the ``websocket.disconnect`` message; None before the WebSocket ended.
        vague: True if the ASGI server reports close code 1006 whenever the peer ends the
            connection, so that this code says nothing.
    """

    __slots__ = ("_now", "_receive", "farewell", "heard_at", "vague")

    def __init__(self, receive: Receive, now: Callable[[], float], *, vague: bool) -> None:
        self._receive = receive
        self.vague = vague
        self._now = now
        self.heard_at = now()
        self.farewell: Message | None = None

    async def __call__(self) -> Message:
        message = await self._receive()
        self.heard_at = self._now()
        if message["type"] == "websocket.disconnect":
            self.farewell = message
        return message


class EngineIOSession(ConnectionProbe):
    """Reports one connection, an Engine.IO session, to a Monitor.

    Attributes:
        pinged: time at which the pending ping was sent; None if there is none.
        receive: the ASGI ``receive`` that records how the WebSocket ends; None without one.
    """

    __slots__ = ("incoming", "outgoing", "pinged", "receive")

    kind = "socketio"

    def __init__(self, monitor: Recorder, *, transport: str) -> None:
        super().__init__(monitor, transport=transport)
        self.incoming = _Whole()
        self.outgoing = _Whole()
        self.pinged: float | None = None
        self.receive: _Listening | None = None

    def listen_to(self, receive: object) -> None:
        """Use the ``receive`` of the WebSocket that now carries the session."""
        if isinstance(receive, _Listening):
            self.receive = receive


class _Whole:
    """Combines Engine.IO messages to whole messages of Socket.IO.

    Attributes:
        binary: True if the last whole message contained binary data.
    """

    __slots__ = ("_missing", "_size", "binary")

    def __init__(self) -> None:
        self._missing = self._size = 0
        self.binary = False

    def add(self, data: Any) -> int | None:
        """Add a part. Returns the size in bytes if it completes a message, else None."""
        if isinstance(data, str):
            kind, attachments = data[:1], data[1:11].partition("-")[0]
            if kind not in {"2", "3", "5", "6"}:  # neither an event nor an acknowledgement
                return None
            self._size = text_size(data)
            counted = kind in {"5", "6"} and attachments.isdecimal()
            self._missing = int(attachments) if counted else 0
            self.binary = self._missing > 0
        elif self._missing:
            self._size += len(data)
            self._missing -= 1
        else:  # a serializer without attachments, such as MessagePack
            self._size = len(data)
            self.binary = True
        return None if self._missing else self._size


def _remote(environ: Mapping[str, Any]) -> str | None:
    """Return the peer's address; None if the server does not report it.

    ``REMOTE_ADDR`` is not used, because python-engineio always sets it to 127.0.0.1.
    """
    if "aiohttp.request" in environ:
        transport = environ["aiohttp.request"].transport
        return peer_address(transport and transport.get_extra_info("peername"))
    client = environ.get("asgi.scope", {}).get("client")
    return peer_address(tuple(client) if client else None)
