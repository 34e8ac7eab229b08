"""One WebSocket connection of aiohttp's server, whose methods are wrapped to count messages.

aiohttp gives access neither to frames nor to the pongs that it handles. So bytes on the wire and
round-trip times are null.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import WebSocketError, WSMsgType

from ...protocol.close import NO_STATUS
from ..base import ConnectionProbe, attempt, text_size
from ..close_tracker import CloseTracker
from ..handler_failure import cancelled, failed

if TYPE_CHECKING:
    from aiohttp.web import WebSocketResponse

    from ...metrics.monitor_interfaces import Recorder

__all__ = ["AiohttpConnection"]

_NO_MESSAGE: type[TypeError] = getattr(aiohttp, "WSMessageTypeError", TypeError)
"""Exception of ``receive_str()`` and similar methods for a close frame or an unexpected type."""


class AiohttpConnection(ConnectionProbe):
    """Reports one connection of an aiohttp application to a Monitor.

    Args:
        monitor: the Monitor.
        stopping: returns True when the application is being stopped.
    """

    __slots__ = (
        "_attempt",
        "_closing",
        "_end",
        "_gone",
        "_reader",
        "_stopping",
    )

    kind = "aiohttp"

    def __init__(self, monitor: Recorder, *, stopping: Callable[[], bool]) -> None:
        super().__init__(monitor)
        self._stopping = stopping
        self._attempt = functools.partial(attempt, monitor)
        self._end = CloseTracker()
        self._gone: BaseException | None = None  # raised by send() when the peer has left
        self._reader: asyncio.Task[Any] | None = None  # the task that waits for a message
        self._closing = False

    def measure(self, socket: WebSocketResponse) -> None:
        """Wrap the methods of a response that receive, send and close."""
        wrapped: Any = socket
        wrapped.receive = self._receiving(socket, socket.receive)
        wrapped.close = self._closes(socket, socket.close)
        wrapped.send_str = self._sending(socket.send_str, WSMsgType.TEXT)
        wrapped.send_bytes = self._sending(socket.send_bytes, WSMsgType.BINARY)
        if hasattr(socket, "send_frame"):  # aiohttp 3.11 and newer
            wrapped.send_frame = self._sending(socket.send_frame)

    def handler_ended(self, exc: BaseException | None) -> None:
        """Report that the handler has returned or raised an exception."""
        self.asked()
        if exc is None:
            return  # aiohttp closes the WebSocket now
        if failed(exc, left=self._left):
            self.handler_failed(exc)
            self._end.handler = "handler failed"
        elif cancelled(exc):
            self._end.handler = "handler cancelled"
        self.dropped()

    def _left(self, exc: Exception) -> bool:
        """Return True for an exception that means only that the peer has left."""
        met_close_frame = isinstance(exc, _NO_MESSAGE) and self.meter.closed is not None
        return exc is self._gone or met_close_frame

    def dropped(self) -> None:
        """Report that the TCP connection has ended, unless a closing handshake is in progress."""
        if not self._closing:
            self._ended(gone=self._gone is not None)

    def _receiving(
        self, socket: WebSocketResponse, original: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def receive(*args: Any, **kwargs: Any) -> Any:
            self._attempt(self.asked)
            before, self._reader = self._reader, asyncio.current_task()
            try:
                message = await original(*args, **kwargs)
            finally:
                self._reader = before
            self._attempt(self._received, socket, message)
            return message

        return receive

    def _received(self, socket: WebSocketResponse, message: Any) -> None:
        data = message.data
        if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            size = text_size(data) if isinstance(data, str) else len(data)
            binary = message.type is WSMsgType.BINARY
            self.received(size, binary=binary, payload=data, handed=True)
        elif message.type is WSMsgType.CLOSE:
            self._end.code_received = data or NO_STATUS
            self._end.reason_received = message.extra or ""
            self._end.initiator = self._end.initiator or "remote"
            if not self._closing and socket.closed:
                self._ended()
        elif message.type is WSMsgType.ERROR and isinstance(data, WebSocketError):
            self._end.initiator = "local"
            self.meter.bump("errors")
            self._ended()
        elif message.type in {WSMsgType.ERROR, WSMsgType.CLOSED} and not self._closing:
            # Inside aiohttp, a TimeoutError occurs only if a pong is missing.
            self._end.code_sent = self._end.reason_sent = None
            self._end.unanswered_ping = isinstance(socket.exception(), TimeoutError)
            self._ended(gone=True)

    def _closes(
        self, socket: WebSocketResponse, original: Callable[..., Awaitable[bool]]
    ) -> Callable[..., Awaitable[bool]]:
        async def close(*, code: int = 1000, message: bytes = b"", **kwargs: Any) -> bool:
            if socket.closed:
                return await original(code=code, message=message, **kwargs)
            # close() called by receive() answers a received close frame: receive() reports it.
            answers = self._reader is asyncio.current_task()
            self._closing = not answers
            try:
                return await original(code=code, message=message, **kwargs)
            finally:
                self._closing = False
                self._attempt(self._answered if answers else self._closed, socket, code, message)

        return close

    def _answered(self, socket: WebSocketResponse, code: int, message: bytes | str) -> None:
        """Record the close frame that was sent, unless the peer had left."""
        if not isinstance(socket.exception(), ConnectionError):
            reason = message if isinstance(message, str) else message.decode("utf-8", "replace")
            self._end.code_sent, self._end.reason_sent = int(code), reason

    def _closed(self, socket: WebSocketResponse, code: int, message: bytes | str) -> None:
        self._answered(socket, code, message)
        exc = socket.exception()
        if self._end.code_sent is not None:
            self._end.initiator = self._end.initiator or "local"
            if exc is None and self._end.code_received is None:
                self._end.code_received = socket.close_code or NO_STATUS
        self._ended(gone=exc is not None and not isinstance(exc, TimeoutError))

    def _sending(
        self, original: Callable[..., Awaitable[Any]], opcode: WSMsgType | None = None
    ) -> Callable[..., Awaitable[Any]]:
        async def send(data: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = await original(data, *args, **kwargs)
            except ConnectionError as exc:
                self._gone = exc
                raise
            self._attempt(self._sent, data, opcode or (args[0] if args else kwargs["opcode"]))
            return answer

        return send

    def _sent(self, data: Any, opcode: WSMsgType) -> None:
        if opcode in {WSMsgType.TEXT, WSMsgType.BINARY}:
            size = text_size(data) if isinstance(data, str) else memoryview(data).nbytes
            self.sent(size, binary=opcode is WSMsgType.BINARY, payload=data)

    def _ended(self, *, gone: bool = False) -> None:
        # aiohttp reports a connection reset and an end of stream in the same way.
        slow, shutdown = self.meter.too_slow, self._stopping()
        self.ended(self._end.ending(gone=gone, slow=slow, shutdown=shutdown))
