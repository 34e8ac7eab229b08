"""Limits for connections of `websockets` whose peer floods or does not read.

While writing is paused, the keepalive of `websockets` waits, so a peer that reads nothing is never
detected. The library also goes on to answer pings, so a peer that sends pings and reads nothing
fills the memory with pongs. Both faults were observed with websockets 17.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidMessage
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import SERVER, State

from .backpressure import Progress
from .paced_decompression import PacedInput, Pieces
from .stalled_peer_detection import StalledPeerWatch

__all__ = [
    "FLOOD_GRACE",
    "PINGS_AT_ONCE",
    "PONGS_ABOVE",
    "Guarded",
    "GuardedServerConnection",
    "WriteListener",
    "answer_unreadable_request",
    "waiting",
    "what_was_wrong",
]

PONGS_ABOVE = 65_536
"""Bytes in the write buffer above which pings are no longer answered one by one."""

PINGS_AT_ONCE = 1_000
"""Maximum number of pings in one read of the socket (up to 256 KiB). An ordinary client has
a few pings in one read; a client that floods has thousands."""

FLOOD_GRACE = 1.0
"""Seconds that a client that flooded has to receive the close frame."""

_LOOKS = 4
"""Number of checks within ``stall_timeout`` whether the peer has read data."""


def waiting(transport: Any) -> int:
    """Return the bytes that wait in the write buffers of a connection's transports.

    A TLS transport reports only the bytes that it has not encrypted yet. Encrypted bytes wait in
    the transport below it, which uvloop does not give access to.
    """
    size: int = transport.get_write_buffer_size()
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return size if below is None else size + int(below.get_write_buffer_size())


def answer_unreadable_request(protocol: Any) -> None:
    """Write a 400 response to a request that `websockets` could not parse.

    The library sends this response only for requests that are too large. For a malformed request,
    or a request with a body, it closes the TCP connection without a response, and then clients
    and proxies try again.

    Args:
        protocol: the protocol object of a connection whose opening handshake failed.
    """
    problem = protocol.handshake_exc
    if not isinstance(problem, InvalidMessage) or protocol.writes != [b""]:
        return
    if protocol.side is SERVER and not isinstance(problem.__cause__, EOFError):
        words = f"Failed to open a WebSocket connection: {what_was_wrong(problem)}.\n"
        protocol.writes.insert(0, protocol.reject(HTTPStatus.BAD_REQUEST, words).serialize())


def what_was_wrong(problem: Exception) -> str:
    """Return the reason why a handshake failed, without any text that the client has sent."""
    return str(problem.__cause__ or problem).partition(":")[0]


class WriteListener(Protocol):
    """Interface: is notified when writing is paused or resumes, and when the keepalive fails."""

    def blocked(self) -> None:
        """Writing was paused, because the write buffer is full."""

    def pump(self) -> None:
        """Writing has resumed; this method may write."""

    def unanswered(self) -> None:
        """The peer has not answered a keepalive ping in time; its connection is about to end."""


class Guarded(Connection):
    """Mixin for connection classes of `websockets`: applies limits while writing is paused.

    While much data waits to be written, only the pong for the latest ping is kept, and sent when
    writing resumes. RFC 6455, 5.5.3, allows an endpoint to answer only the latest of several pings.
    """

    stall_timeout: ClassVar[float | None] = None
    """Seconds after which a connection is cut if its peer has read none of the queued data. None
    for no limit. Not used for a connection with a :class:`WriteListener`, which has its own
    timeout."""

    pings_at_once: ClassVar[int | None] = None
    """Maximum number of pings in one read of the socket. Above this number the connection is
    closed with code 1002 (protocol error). None for no limit. Only connections with a probe count
    pings."""

    ends_frozen: ClassVar[bool] = False
    """True to end a connection whose peer does not answer pings even while writing is paused; see
    :class:`~rtmon.core.stalled_peer_detection.StalledPeerWatch`. This is always done for a
    connection with a :class:`WriteListener`."""

    paced: ClassVar[bool] = False
    """True to decompress received messages in turns with other connections. A hub always does."""

    on_lost: ClassVar[Callable[[], None] | None] = None
    """Called when a connection of this class has ended, whether or not its handshake succeeded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # CPython stores up to thirty attributes of an instance compactly, if their names were known
        # while the class had few instances. When thousands of clients connect at once, all of their
        # instances exist before the first gets its transport. So set these attributes here.
        # Otherwise, each instance would need 1.4 KB more for its whole lifetime.
        self._guard: _Guard | None = None
        late: Any = self
        late.transport = late.recv_messages = None
        super().__init__(*args, **kwargs)

    def listen(self, listener: WriteListener) -> None:
        """Set the listener for resumed writing and for a failed keepalive."""
        guard = self._guarding()
        guard.listener = listener
        if isinstance(self.keepalive_task, asyncio.Task):
            guard.watch_keepalive()

    def keepalive_failed(self) -> None:
        """Notify the listener, if any, that a keepalive ping was not answered in time.

        If writing is paused, also cut the connection, because a close frame could not be sent.
        """
        if self._guard is not None:
            self._guard.keepalive_failed()

    def pace_input(self) -> None:
        """After the handshake, decompress received messages in turns with other connections."""
        if self.protocol.extensions and not Pieces.divide(self.protocol):
            PacedInput(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._guarding().paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._guarding().resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            # After a failed write, the traceback refers to the stack frame that wrote to all
            # connections. The traceback would keep these connections in memory until the garbage
            # collector runs.
            exc = exc.with_traceback(None)
        if self._guard is not None:
            self._guard.lost()
            self._guard = None  # breaks its reference cycle with the connection
        # `websockets` and a probe set these methods on the protocol: also reference cycles.
        for name in ("select_subprotocol", "send_frame"):
            vars(self.protocol).pop(name, None)
        super().connection_lost(exc)
        Pieces.end(self.protocol)
        on_lost = type(self).on_lost
        if on_lost is not None:
            on_lost()

    def written(self) -> int:
        """Return the bytes handed to the transport so far; 0 if this class does not count them."""
        return 0

    def _guarding(self) -> _Guard:
        if self._guard is None:
            self._guard = _Guard(self)
        return self._guard


class GuardedServerConnection(Guarded, ServerConnection):
    """A server connection of `websockets` with the limits of :class:`Guarded`, without metrics."""


class _Guard:
    """State of a connection whose writing is paused or was paused before."""

    __slots__ = (
        "_connection",
        "_counted",
        "_frozen_watch",
        "_pong",
        "_progress",
        "_send_frame",
        "_timer",
        "listener",
    )

    def __init__(self, connection: Guarded) -> None:
        self._connection = connection
        self._send_frame: Callable[[Frame], None] | None = None
        self._counted = False
        self._frozen_watch: StalledPeerWatch | None = None
        self._pong: Frame | None = None
        self._progress: Progress | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.listener: WriteListener | None = None

    def paused(self) -> None:
        self._hold_pongs()
        if self._ends_frozen:
            watch = StalledPeerWatch(
                self._connection, taken=self._taken, frozen=self._fail_keepalive
            )
            self._frozen_watch = watch
            watch.start()
        if self.listener is not None:
            self.listener.blocked()
        elif self._connection.stall_timeout is not None:
            self._progress = Progress(self._taken(), self._connection.loop.time())
            self._set_timer()

    def resumed(self) -> None:
        self._stop()
        pong = self._release_pongs()
        if pong is not None and self._connection.protocol.state is State.OPEN:
            # Sending the pong may pause writing again. Then later writes wait.
            self._connection.protocol.send_frame(pong)
            self._connection.send_data()
        if self.listener is not None:
            self.listener.pump()

    def watch_keepalive(self) -> None:
        """Have :meth:`keepalive_failed` called when the keepalive of `websockets` fails.

        This wraps ``protocol.fail``. It does not replace the connection's ``keepalive()``, because
        the fast path is not used for connections with another ``keepalive()``.
        """
        protocol: Any = self._connection.protocol
        fail = protocol.fail

        def failing(code: int, reason: str = "") -> None:
            fail(code, reason)
            if code == CloseCode.INTERNAL_ERROR:
                self._connection.keepalive_failed()

        protocol.fail = failing

    def keepalive_failed(self) -> None:
        """Notify the listener. Cut the connection if its close frame could not be sent."""
        if self.listener is not None:
            self.listener.unanswered()
        if self._ends_frozen and self._connection.paused:
            self._connection.transport.abort()

    @property
    def _ends_frozen(self) -> bool:
        return self.listener is not None or self._connection.ends_frozen

    def _fail_keepalive(self) -> None:
        connection = self._connection
        if connection.protocol.state is State.OPEN:
            connection.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            connection.keepalive_failed()

    def lost(self) -> None:
        vars(self._connection.protocol).pop("fail", None)
        self._stop()
        self._release_pongs()

    # Answering pings while writing is paused

    def _hold_pongs(self) -> None:
        # All frames are sent by ``protocol.send_frame``. The method is replaced only while writing
        # is paused, so there is no cost at any other time.
        protocol: Any = self._connection.protocol
        self._counted = "send_frame" in vars(protocol)
        self._send_frame = protocol.send_frame
        protocol.send_frame = self._send_frame_later

    def _send_frame_later(self, frame: Frame) -> None:
        assert self._send_frame is not None  # noqa: S101 - set when this method is installed
        size = waiting(self._connection.transport)
        if frame.opcode is Opcode.PONG and (self._pong is not None or size > PONGS_ABOVE):
            self._pong = frame
        else:
            self._send_frame(frame)

    def _release_pongs(self) -> Frame | None:
        protocol: Any = self._connection.protocol
        if self._send_frame is not None:
            if self._counted:
                protocol.send_frame = self._send_frame
            else:
                del protocol.send_frame
            self._send_frame = None
        pong, self._pong = self._pong, None
        return pong

    # Cutting connections whose peer does not read

    def _taken(self) -> int:
        connection = self._connection
        return connection.written() - waiting(connection.transport)

    def _set_timer(self) -> None:
        timeout = self._connection.stall_timeout
        if timeout is not None:
            self._timer = self._connection.loop.call_later(timeout / _LOOKS, self._look)

    def _look(self) -> None:
        connection, progress = self._connection, self._progress
        timeout = connection.stall_timeout
        if progress is None or timeout is None:
            return
        if progress.look(self._taken(), connection.loop.time()) >= timeout:
            # A close frame would wait behind the data that the peer does not read.
            connection.transport.abort()
        else:
            self._set_timer()

    def _stop(self) -> None:
        if self._frozen_watch is not None:
            self._frozen_watch.stop()
            self._frozen_watch = None
        self._progress = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
