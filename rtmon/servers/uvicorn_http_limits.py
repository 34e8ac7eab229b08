"""uvicorn's HTTP protocol with limits: slow requests, large ones, peers that do not read."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import MAX_LINE_LENGTH

from .accept_pause import pause_when_exhausted
from .uvicorn_stalled_peers import LINGER, LingeringClose, StallWatch, mark_slow
from .uvicorn_websocket_limits import GuardedWebSocket, count_rejected

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["HEADER_TIMEOUT", "HEAD_BYTES", "GuardedHTTP"]

HEADER_TIMEOUT = 10.0
"""Seconds for a request's line and headers, as long as `websockets` takes for a handshake."""

HEAD_BYTES = 65_536
"""Bytes of a request's line and headers together."""

BODY_RATE = 500
"""Bytes of a request's body a second below which its sender is too slow."""


class GuardedHTTP(H11Protocol):
    """An HTTP connection of uvicorn that no peer can hold for nothing.

    Give it to uvicorn with :func:`rtmon.asgi.guarded`, or by name, ``--http
    rtmon.asgi:GuardedHTTP``. Where uvicorn chooses the WebSocket protocol by itself, it is
    :class:`GuardedWebSocket`.
    """

    header_timeout: ClassVar[float] = HEADER_TIMEOUT
    """Seconds until a connection must have sent the head of a request."""

    stall_timeout: ClassVar[float | None] = 20.0
    """Seconds for which a peer may take nothing of what waits for it; None for ever."""

    monitor: ClassVar[Monitor | None] = None
    """Counts requests that never reach the application as rejected."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        if config.h11_max_incomplete_event_size is None:
            self.conn = h11.Connection(h11.SERVER, HEAD_BYTES)
        if self.ws_protocol_class is WebSocketsSansIOProtocol:
            self.ws_protocol_class = GuardedWebSocket
        self._ending = LingeringClose(self.loop)
        self._stall: StallWatch | None = None
        self._awaited: Literal["head", "body", "rest"] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._body_bytes = 0
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        pause_when_exhausted(self.loop)  # uvicorn tells of its start to nobody
        self._stall = StallWatch(transport, self.loop, self.stall_timeout, stalled=self._mark_slow)
        self._await_more()

    def _mark_slow(self) -> None:
        mark_slow(getattr(self, "scope", None))

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._unset_keepalive_if_required()  # uvicorn leaves it where the connection was reset
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ending.lingering:
            return
        self._body_bytes += len(data)
        super().data_received(data)
        if not self._upgraded:
            self._await_more()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is not None:
            self._stall.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._ending.drop_after(self.transport)
        else:
            self._await_more()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._ending.drop_after(self.transport)

    def _get_upgrade(self) -> bytes | None:
        """Return what to upgrade to: uvicorn reads the last line ``Connection`` alone."""
        options = b",".join(value for name, value in self.headers if name == b"connection")
        if b"upgrade" not in (option.strip().lower() for option in options.split(b",")):
            return None
        upgrades = [value.lower() for name, value in self.headers if name == b"upgrade"]
        return upgrades[-1] if upgrades else None

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._forget()
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that h11 cannot read: 400, or 431 or 414 if its head is too large."""
        problem = sys.exception()
        status = problem.error_status_hint if isinstance(problem, h11.RemoteProtocolError) else 400
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            unread, _ = self.conn.trailing_data
            if b"\n" not in unread[:MAX_LINE_LENGTH]:
                status = HTTPStatus.REQUEST_URI_TOO_LONG
        self._refuse(HTTPStatus(status), msg)

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        """Answer a request that is not complete, and end the connection."""
        count_rejected(self.monitor, self.client, int(status), words)
        body = f"{words}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._end()

    def _end(self, seconds: float = LINGER) -> None:
        self._forget()
        self._ending.linger(self.transport, seconds)

    # What the peer is to send, and until when

    def _await_more(self) -> None:
        """Set the timer for what the peer has to send next, if it has to."""
        state = self.conn.their_state
        awaited: Literal["head", "body", "rest"] | None = None
        if state is h11.IDLE and self.timeout_keep_alive_task is None:
            awaited = "head"
        elif state is h11.SEND_BODY:
            # What is left of a body that the application has answered is thrown away.
            awaited = "rest" if self.conn.our_state is h11.DONE else "body"
        if awaited == self._awaited or self._ending.lingering or self.transport.is_closing():
            return
        if self._late is not None:
            self._late.cancel()
        self._awaited, self._body_bytes, self._late = awaited, 0, None
        if awaited is not None:
            seconds = LINGER if awaited == "rest" else self.header_timeout
            self._late = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited == "body" and (
            self.flow.read_paused or self._body_bytes >= BODY_RATE * self.header_timeout
        ):
            self._await_more()  # it is the application that takes its time, or enough came
        elif awaited == "rest":
            self._end(0)
        elif awaited == "body":
            # The application, which waits for the body, learns that the client is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._end()
            else:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request's body came too slowly.")
        elif self.conn.trailing_data[0]:
            words = f"The request was not complete within {self.header_timeout:g} s."
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, words)
        else:
            self._end(0)  # it has not asked for anything: nothing to answer

    def _forget(self) -> None:
        self._ending.cancel()
        self._awaited = None
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._stall is not None:
            self._stall.stop()
            self._stall = None  # it refers to the connection: neither would go by itself
