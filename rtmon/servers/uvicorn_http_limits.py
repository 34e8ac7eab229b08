"""uvicorn's HTTP protocol with limits on slow or large requests, and on peers that do not read."""

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
"""Seconds in which a request's line and headers must arrive; `websockets` has the same default for
a handshake."""

HEAD_BYTES = 65_536
"""Maximum size of a request's line and headers together, in bytes."""

BODY_RATE = 500
"""Minimum rate at which a request's body must arrive, in bytes a second."""


class GuardedHTTP(H11Protocol):
    """An HTTP connection of uvicorn that a peer cannot keep open without using it.

    To use this class, pass the result of :func:`rtmon.asgi.guarded` to uvicorn, or the option
    ``--http rtmon.asgi:GuardedHTTP``. It replaces uvicorn's protocol class
    ``WebSocketsSansIOProtocol`` by :class:`GuardedWebSocket`.
    """

    header_timeout: ClassVar[float] = HEADER_TIMEOUT
    """Seconds in which a connection must send a request's line and headers."""

    stall_timeout: ClassVar[float | None] = 20.0
    """Seconds after which a connection is cut if its peer reads none of the queued data; None for
    no limit."""

    monitor: ClassVar[Monitor | None] = None
    """The Monitor that counts the requests refused before they reach the application."""

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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        super().connection_made(transport)
        # Called for each connection, because uvicorn has no callback for the server's start.
        pause_when_exhausted(self.loop)
        self._stall = StallWatch(transport, self.loop, self.stall_timeout, stalled=self._mark_slow)
        self._await_more()

    def _mark_slow(self) -> None:
        mark_slow(getattr(self, "scope", None))

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._unset_keepalive_if_required()  # uvicorn does not cancel it after a reset
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
        """Return the protocol to upgrade to, in lower case; None if no upgrade is requested.

        uvicorn's own method reads only the last ``Connection`` header.
        """
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
        """Answer a request that h11 cannot parse.

        The status is 400, or 431 or 414 if the request's line and headers are too large.
        """
        problem = sys.exception()
        status = problem.error_status_hint if isinstance(problem, h11.RemoteProtocolError) else 400
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            unread, _ = self.conn.trailing_data
            if b"\n" not in unread[:MAX_LINE_LENGTH]:
                status = HTTPStatus.REQUEST_URI_TOO_LONG
        self._refuse(HTTPStatus(status), msg)

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        """Answer an incomplete request with an error status, and end the connection."""
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

    # Timeouts for the part of a request that the peer has to send next

    def _await_more(self) -> None:
        """Start the timer for the part of a request that the peer has to send next, if any."""
        state = self.conn.their_state
        awaited: Literal["head", "body", "rest"] | None = None
        if state is h11.IDLE and self.timeout_keep_alive_task is None:
            awaited = "head"
        elif state is h11.SEND_BODY:
            # The application has already answered. The rest of the body is discarded.
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
            self._await_more()  # the application reads slowly, or enough data has arrived
        elif awaited == "rest":
            self._end(0)
        elif awaited == "body":
            # Tell the application, which waits for the body, that the client has disconnected.
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
            self._end(0)  # the peer has sent no part of a request, so it gets no response

    def _forget(self) -> None:
        self._ending.cancel()
        self._awaited = None
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._stall is not None:
            self._stall.stop()
            self._stall = None  # breaks its reference cycle with the connection
