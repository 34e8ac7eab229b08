"""The connections of a Socket.IO server: Engine.IO sessions, whatever carries them."""

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
"""Packet types of Engine.IO 4."""


class EngineIOSessions:
    """Counts what an ``engineio.AsyncServer`` carries.

    Attributes:
        open: session id → session, of those that are open.
        upgrades: sessions that began by polling and went on over a WebSocket.
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
            if answer is None or answer is True:  # Engine.IO takes all else for a refusal
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
        """What is known of the end, for which Engine.IO has reasons but no close codes."""
        end = self._said(session, reason)
        slow = session.meter.too_slow and end.initiator != "remote"
        return replace(end, cause="slow consumer") if slow else end

    def _said(self, session: EngineIOSession, reason: str) -> Ending:
        if reason == "transport close" and session.receive is not None:
            if session.receive.farewell is not None:
                return disconnect_ending(session.receive.farewell, vague=session.receive.vague)
            silence = self._now() - session.receive.heard_at
            if silence >= self._eio.ping_interval + self._eio.ping_timeout:
                reason = "ping timeout"  # python-engineio has waited so long for any message
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
            # Under ASGI these are scope, receive and send, else the request of another framework.
            if len(args) == 3 and isinstance(args[0], MutableMapping):
                args = (args[0], _Listening(args[1], self._now, vague=vague(args[2])), args[2])
                self._attempt(self._requested, *args)
            return await original(*args, **kwargs)

        return handle_request

    def _requested(self, scope: Mapping[str, Any], receive: _Listening, _send: Any) -> None:
        """A request for a session that is counted here is not for an ASGI probe to count."""
        query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        session = self.open.get(query.get("sid", [""])[0])
        if session is not None:
            self._take_over(scope)
            if scope["type"] == "websocket":
                session.listen_to(receive)

    def _claiming(self, original: Callable[..., Awaitable[Any]]) -> Any:
        """Count alone what comes for a session over aiohttp or Tornado, which have no scope."""

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
    """An ASGI ``receive`` that remembers how a WebSocket ended.

    Attributes:
        heard_at: when the last message came, monotonic seconds.
        farewell: what the server said when the WebSocket ended; None before.
        vague: True if the server reports every end by the peer alike.
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
    """Reports one connection, an Engine.IO session.

    Attributes:
        pinged: when the ping that is not answered yet was sent.
        receive: hears how the WebSocket ends, where it is ASGI's.
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
        """The session goes on over this WebSocket."""
        if isinstance(receive, _Listening):
            self.receive = receive


class _Whole:
    """Puts Engine.IO messages together to whole messages of Socket.IO.

    Attributes:
        binary: whether the last whole one had something binary in it.
    """

    __slots__ = ("_missing", "_size", "binary")

    def __init__(self) -> None:
        self._missing = self._size = 0
        self.binary = False

    def add(self, data: Any) -> int | None:
        """Bytes of the message that is whole now; None if none is."""
        if isinstance(data, str):
            kind, attachments = data[:1], data[1:11].partition("-")[0]
            if kind not in {"2", "3", "5", "6"}:  # events and acknowledgements
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
    """The peer's address, where the server tells; ``REMOTE_ADDR`` is made up by python-engineio."""
    if "aiohttp.request" in environ:
        transport = environ["aiohttp.request"].transport
        return peer_address(transport and transport.get_extra_info("peername"))
    client = environ.get("asgi.scope", {}).get("client")
    return peer_address(tuple(client) if client else None)
