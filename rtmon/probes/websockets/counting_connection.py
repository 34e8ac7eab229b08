"""Count messages, frames and bytes at either end of a connection of ``websockets``.

All data passes through four methods, which are wrapped here. A message that an application or
``websockets.broadcast()`` sends becomes a frame in ``Protocol.send_frame`` and is written by
``Connection.send_data``. Received data enters through ``Connection.data_received`` and becomes
frames in ``Connection.process_event``.

`websockets` acts first, so data that it refuses is not counted. An exception in the probe never
reaches a connection; it is counted and logged.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from websockets.frames import Frame
from websockets.protocol import OPEN, Protocol

from ...core.flood_protection import FLOOD_GRACE, Guarded, answer_unreadable_request, waiting
from ...errors import OptionError
from ...metrics.close_causes import VIOLATIONS, cause
from ...metrics.meter import Ending
from ...protocol.close import effective_code
from ..base import peer_address
from .frame_counter import FrameCounter
from .read_buffer_size import READ_AT_ONCE, read_little, read_much

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request
    from websockets.protocol import Event

    from ...metrics.meter import Meter
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["CountingConnection"]

logger = logging.getLogger("rtmon")

OTHER_PART = (
    "the connection class that probe() makes was given to serve() or connect() of websockets.sync, "
    "websockets.trio or websockets.legacy, and every connection there fails: rtmon measures "
    "websockets.asyncio; use websockets.asyncio.server.serve or websockets.asyncio.client.connect; "
    "for websockets.sync.server.serve there is rtmon.probes.websockets_sync.probe"
)


class CountingConnection(Guarded):
    """Base class of the mix-ins that count. A mix-in precedes the class of `websockets`."""

    monitor: ClassVar[Recorder]
    role: ClassVar[str]
    _times: ClassVar[bool]
    _base_data_received: Callable[[bytes], None]
    _base_send_data: Callable[[], None]
    _base_process_event: Callable[[Event], None]
    _base_recv: Callable[[bool | None], Awaitable[Any]]
    _base_recv_streaming: Callable[[bool | None], AsyncIterator[Any]]

    # CPython stores the attributes of an instance compactly if there are at most thirty. The
    # library has 27; the 31st would cost every connection 1.3 KB. So all counters are in one
    # attribute, and values that most connections never need are class attributes.
    _tally: FrameCounter
    _trouble: BaseException | None = None
    _cancelled: bool = False
    _paused_at: float | None = None

    def __init__(self, protocol: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(protocol, Protocol):  # websockets.sync has another class
            logger.error(OTHER_PART)
            raise OptionError(OTHER_PART)
        self._tally = FrameCounter(self.monitor, role=self.role, times=self._times)
        super().__init__(protocol, *args, **kwargs)
        # A subclass of the protocol would be cleaner. But CPython accesses all attributes of an
        # object more slowly once its class was changed: 0.6 microseconds per message in total.
        counting: Any = protocol
        self._tally.original_send_frame = counting.send_frame
        counting.send_frame = self._tally.send_frame

    @property
    def meter(self) -> Meter:
        """Counters of the connection. The application may set ``name``."""
        return self._tally.meter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        try:
            read_little(transport)
            meter = self.meter
            meter.remote = peer_address(transport.get_extra_info("peername"))
            tls = transport.get_extra_info("ssl_object")
            meter.tls = None if tls is None else tls.version()
            meter.queue = self._queue()
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def data_received(self, data: bytes) -> None:
        self._count_wire(len(data))
        if self.pings_at_once is None:
            self._base_data_received(data)
        else:
            self._receive_pings(data, self.pings_at_once)

    def _count_wire(self, size: int) -> None:
        """Count bytes received on the wire."""
        try:
            tally = self._tally
            meter = tally.meter
            meter.wire_in += size
            meter.ledger.wire_in += size
            meter.last = tally.now()
            if not meter.dirty:
                meter.mark()
            if size >= READ_AT_ONCE:
                read_much(self.transport)
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def _receive_pings(self, data: bytes, limit: int) -> None:
        """Pass received data to `websockets`, but answer at most ``limit`` pings in the data."""
        tally = self._tally
        before, tally.pongs_left = tally.meter.pings_in, limit
        self._base_data_received(data)
        left, tally.pongs_left = tally.pongs_left, None
        if left < 0:
            self.loop.call_later(FLOOD_GRACE, self.transport.abort)
        elif tally.meter.pings_in - before > limit:
            # The pongs were held back because the peer reads nothing. It would not read a close
            # frame either.
            self.transport.abort()

    def send_data(self) -> None:
        if self.protocol.writes:
            if self.protocol.handshake_exc is not None:
                answer_unreadable_request(self.protocol)
            try:
                size = 0
                for data in self.protocol.writes:
                    size += len(data)
                meter = self._tally.meter
                meter.own_wire_out += size
                meter.ledger.wire_out += size
                if not meter.dirty:
                    meter.mark()
            except Exception as exc:
                self.monitor.probe_failed(exc)
            self._base_send_data()

    def process_event(self, event: Event) -> None:
        self._base_process_event(event)
        try:
            if isinstance(event, Frame):
                self._tally.frame_received(event)
            else:
                self._handshake_received(event)
        except Exception as exc:
            self.monitor.probe_failed(exc)

    async def recv(self, decode: bool | None = None) -> Any:  # noqa: FBT001 - the library's signature
        try:
            self._tally.asked()
        except Exception as exc:
            self.monitor.probe_failed(exc)
        message = await self._base_recv(decode)
        try:
            self._tally.handed()
        except Exception as exc:
            self.monitor.probe_failed(exc)
        return message

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:  # noqa: FBT001 - the library's signature
        try:
            self._tally.asked()
        except Exception as exc:
            self.monitor.probe_failed(exc)
        async for fragment in self._base_recv_streaming(decode):
            yield fragment
        try:
            self._tally.streamed()
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._paused_at = self.monitor.clock.monotonic()
        self.meter.queue = self._paused_queue

    def resume_writing(self) -> None:
        if self._tally.groups:
            # Flush while writing still counts as paused. Then the group's messages are queued
            # behind messages that have waited longer, and are written next.
            self._tally.flush(begins=False)
        super().resume_writing()
        if self._paused_at is not None:
            self._count_pause()
            self._paused_at = None
            self.meter.queue = self._queue()

    def _queue(self) -> Callable[[], int]:
        """Return a function that returns the bytes in the write buffer; ticks call it."""
        transport: Any = self.transport
        plain: Callable[[], int] = transport.get_write_buffer_size
        return plain if self.meter.tls is None else partial(waiting, transport)

    def _paused_queue(self) -> int:
        """Return the bytes in the write buffer, and count the pause up to now."""
        self._count_pause()
        return waiting(self.transport)

    def _count_pause(self) -> None:
        if self._paused_at is not None:
            now = self.monitor.clock.monotonic()
            self.meter.paused += now - self._paused_at
            self._paused_at = now

    def written(self) -> int:
        written: int = self.meter.wire_out
        return written

    def acknowledge_pings(self, data: bytes) -> None:
        # ``pending_pings`` is called ``pong_waiters`` in websockets 15 and older.
        pending: Any = getattr(self, "pending_pings", None)
        solicited = data in (getattr(self, "pong_waiters", ()) if pending is None else pending)
        super().acknowledge_pings(data)
        try:
            if solicited and self._tally.counted:
                seconds = self._tally.since_ping(data)
                self._tally.round_trip(self.latency if seconds is None else seconds)
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        gone = self.protocol.reader.eof or isinstance(exc, ConnectionError)
        super().connection_lost(exc)
        try:
            for membership in self._tally.groups:
                membership.leave()
            if self._tally.counted:
                self._lost(exc, gone=gone)
        except Exception as failure:
            self.monitor.probe_failed(failure)

    def _opened(self) -> None:
        """Report that the connection is open, if the handshake was completed."""
        try:
            if self.protocol.state is OPEN:
                self.meter.subprotocol = self.protocol.subprotocol
                self._tally.opened()
                if self.paced:
                    self.pace_input()
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def _says(self, request: Request) -> None:
        self.meter.request = request
        # Thousands of connections share a few paths and user agents, so these are interned.
        self.meter.path = sys.intern(request.path.partition("?")[0])
        self.meter.user_agent = sys.intern(", ".join(request.headers.get_all("User-Agent"))) or None

    def _ready(self) -> bool:
        """For self-tests: return True if the fast path would handle the next message.

        Without the fast path, the result is always True.
        """
        return True

    def _handshake_received(self, message: Any) -> None:
        """Record the request or response of the opening handshake that the peer sent."""

    def _shutting_down(self) -> bool:
        return False

    def _never_opened(self) -> None:
        """Report a connection that ended before its handshake was completed."""

    def _lost(self, exc: Exception | None, *, gone: bool) -> None:
        meter = self.meter
        if meter.opened is None:
            self._never_opened()
            return
        self._count_pause()
        ending = self._ending(exc, gone=gone)
        if ending.initiator == "local" and ending.code_sent in VIOLATIONS:
            meter.bump("errors")
        self._tally.ended(ending)

    def _ending(self, exc: Exception | None, *, gone: bool) -> Ending:
        protocol = self.protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        if sent is not None and protocol.close_rcvd_then_sent is not True:
            initiator: str | None = "local"
        else:
            initiator = "remote" if received is not None else None
        code_sent = None if sent is None else int(sent.code)
        code_received = None if received is None else int(received.code)
        reason_sent = None if sent is None else sent.reason
        return Ending(
            close_code=effective_code(code_sent, code_received),
            code_sent=code_sent,
            reason_sent=reason_sent,
            code_received=code_received,
            reason_received=None if received is None else received.reason,
            initiator=initiator,
            cause=cause(
                code_sent=code_sent,
                reason_sent=reason_sent,
                code_received=code_received,
                initiator=initiator,
                failed=self._trouble is not None,
                cancelled=self._cancelled,
                shutdown=self._shutting_down(),
                slow=self.meter.too_slow
                or self._paused_at is not None
                or self.monitor.collector.backlogs.is_slow(self.meter),
                gone=gone,
                exception=exc,
            ),
        )
