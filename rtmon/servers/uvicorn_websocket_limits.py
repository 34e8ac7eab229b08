"""uvicorn's WebSocket protocol with limits on handshakes, pings, fragments and slow readers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN

from ..core.flood_protection import (
    FLOOD_GRACE,
    PINGS_AT_ONCE,
    PONGS_ABOVE,
    waiting,
    what_was_wrong,
)
from ..core.paced_decompression import Pieces
from ..probes.base import peer_address
from .uvicorn_stalled_peers import LingeringClose, StallWatch, mark_slow

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["GuardedWebSocket", "count_rejected"]

PIECE = 4_096
"""Number of bytes parsed at once. Between two pieces, the application handles the messages of the
first, so that small frames do not accumulate. Highly compressed frames are parsed in smaller
pieces, see :class:`~rtmon.core.paced_decompression.Pieces`."""

NOTHING = memoryview(b"")
"""Empty input: all received data has been parsed."""

EMPTY_FRAGMENTS = 4_096
"""Maximum number of empty fragments in one message. `websockets` has the same limit for fragments
of any size."""

LEFTOVER = 1_048_576
"""Maximum number of bytes that a peer may send after it was sent a close frame."""


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket connection of uvicorn with limits on time and memory that a peer can use.

    To use this class, pass the result of :func:`rtmon.asgi.guarded` to uvicorn, or the option
    ``--ws rtmon.asgi:GuardedWebSocket``.
    """

    stall_timeout: ClassVar[float | None] = 20.0
    """Seconds after which a connection is cut if its peer reads none of the queued data; None for
    no limit."""

    monitor: ClassVar[Monitor | None] = None
    """The Monitor that counts the handshakes refused before they reach the application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ending = LingeringClose(self.loop)
        self._stall: StallWatch | None = None
        self._unparsed = NOTHING
        self._stopped = self._eof = False
        self._pings = 0
        self._pong: bytes | None = None
        self._message: bytearray | None = None
        self._empty = 0
        self._leftover = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._stall = StallWatch(transport, self.loop, self.stall_timeout, stalled=self._mark_slow)

    def _mark_slow(self) -> None:
        mark_slow(getattr(self, "scope", None))

    def eof_received(self) -> None:
        self._eof = True
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending.cancel()
        if exc is None and not self._eof:  # the connection was cut by this server
            self._drop_input()
        if self._stall is not None:
            self._stall.stop()
            self._stall = None  # breaks its reference cycle with the connection
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is not None:
            self._stall.start()

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.stop()
        pong, self._pong = self._pong, None
        if pong is not None and self.conn.state is OPEN and not self.transport.is_closing():
            self.transport.write(pong)
        super().resume_writing()

    # Received data

    def data_received(self, data: bytes) -> None:
        if self._ending.lingering:
            return
        if self.close_sent:
            self._leftover += len(data)
            if self._leftover > LEFTOVER:
                self._ending.linger(self.transport, FLOOD_GRACE)
                self.transport.pause_reading()
                return
        self._pings = 0
        if self.handshake_initiated and len(data) <= PIECE and not self._waits:
            super().data_received(data)
        else:
            self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        self._parse()

    def _parse(self) -> None:
        """Parse received data until there is a message for the application."""
        while self._waits and self.queue_is_free:
            if self._stopped:
                self._stopped = False
                super().data_received(b"")
                continue
            piece, rest = self._unparsed[:PIECE], self._unparsed[PIECE:]
            self._unparsed = rest or NOTHING  # an empty slice would keep the whole buffer alive
            super().data_received(piece)  # type: ignore[arg-type]  # it is only appended to bytes
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                self._refuse(self.conn.handshake_exc)

    @property
    def _waits(self) -> bool:
        """True if received data has not been parsed yet."""
        return (self._stopped or bool(self._unparsed)) and not self._ending.lingering

    def _parser_stopped(self) -> None:
        self._stopped = True

    def _drop_input(self) -> None:
        self._stopped, self._unparsed = False, NOTHING

    @property
    def queue_is_free(self) -> bool:
        """True if the application has received all parsed messages, or the connection closes."""
        return self.close_sent or not self.read_paused or self.queue.empty()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self._waits and message["type"] == "websocket.disconnect":
            self._parse()  # data received before the disconnect
            self.queue.put_nowait(message)
            return await self.receive()
        if self.read_paused and self.queue.empty():
            if self._waits:
                self._parse()
                if not self.queue.empty():
                    return message
            self.read_paused = False
            self.transport.resume_reading()
        return message

    # Opening handshake

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        status = self.response.status_code
        if status != HTTPStatus.SWITCHING_PROTOCOLS:
            count_rejected(self.monitor, self.client, status, str(self.conn.handshake_exc))
            self._ending.drop_after(self.transport)
        elif self.conn.extensions:
            Pieces(self.conn, self._parser_stopped)

    def _refuse(self, problem: Exception) -> None:
        """Answer a request that is not a valid handshake, and end the connection.

        For some invalid requests `websockets` has made a response, which is sent. For all others
        the status is 400.
        """
        answer = b"".join(self.conn.data_to_send())
        words = what_was_wrong(problem)
        if not answer:
            text = f"Failed to open a WebSocket connection: {words}.\n"
            answer = self.conn.reject(HTTPStatus.BAD_REQUEST, text).serialize()
        self.handshake_complete = self.close_sent = True
        count_rejected(self.monitor, self.client, int(answer.split(b" ", 2)[1]), words)
        self.transport.write(answer)
        self._ending.linger(self.transport)

    # Received frames

    def handle_ping(self) -> None:
        """Answer each ping, or only the latest one while the peer does not read."""
        self._pings += 1
        output = self.conn.data_to_send()
        full = waiting(self.transport) > PONGS_ABOVE
        if self._pings > PINGS_AT_ONCE:
            if full:  # the peer reads nothing, so it would not read a close frame
                self.transport.abort()
            else:
                self._fail(CloseCode.PROTOCOL_ERROR, "too many pings at once")
            return
        if full or self._pong is not None:
            # RFC 6455, 5.5.3, allows an endpoint to answer only the latest of several pings.
            pongs = [frame for frame in output if _is_pong(frame)]
            self._pong = pongs[-1] if pongs else self._pong
            output = [frame for frame in output if not _is_pong(frame)]
        self.transport.write(b"".join(output))

    def handle_text(self, event: Frame) -> None:
        self._empty, self._message = 0, None
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._empty, self._message = 0, None
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Join fragments as they arrive. A list of fragments could grow without bound."""
        if event.data:
            if self._message is None:
                self._message = bytearray(b"".join(self.frames))
            self._message += event.data
        else:
            self._empty += 1
            if self._empty > EMPTY_FRAGMENTS:
                self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                return
        if event.fin:
            if self._message is not None:
                self.frames, self._message = [bytes(self._message)], None
            self.send_receive_event_to_app()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Close the connection, because the peer sends too much."""
        if self.close_sent:
            return
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        self.close_sent = True
        self._drop_input()
        self._ending.linger(self.transport, FLOOD_GRACE)

    # Closing: uvicorn alone would wait without a timeout for a peer that does not read

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._ending.drop_after(self.transport)

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._ending.drop_after(self.transport)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._ending.drop_after(self.transport, FLOOD_GRACE)

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent and self.conn.state is not OPEN:
            # The peer has closed the connection. Without this abort, uvicorn's own shutdown()
            # would raise here, and the server would never stop.
            self.transport.abort()
            return
        super().shutdown()
        self._ending.drop_after(self.transport)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.transport.is_closing():
            self._ending.drop_after(self.transport)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self.close_timer.cancel()
            flooded = message.get("code") == CloseCode.POLICY_VIOLATION
            grace = FLOOD_GRACE if flooded else self.close_timeout
            self.close_timer = self.loop.call_later(grace, self.transport.abort)
            self._parse()  # the received data may contain the peer's close frame


def _is_pong(frame: bytes) -> bool:
    return bool(frame) and frame[0] & 0x0F == Opcode.PONG


def count_rejected(monitor: Monitor | None, client: Any, status: int, detail: str) -> None:
    """Count a request as rejected that was answered without the application.

    Args:
        monitor: the Monitor; None to count nothing.
        client: the peer's address.
        status: HTTP status of the response.
        detail: the reason, as text.
    """
    if monitor is None:
        return
    try:
        if monitor.arm("probe"):
            meter = monitor.collector.meter(transport="websocket", probe="asgi")
            meter.remote = peer_address(client)
            monitor.connection_rejected(meter, status=status, detail=detail)
    except Exception as exc:  # noqa: BLE001 - an error of counting must not break a connection
        monitor.probe_failed(exc)
