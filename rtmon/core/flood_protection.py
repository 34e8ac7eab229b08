"""Limits for connections of `websockets` whose peer does not read.

While writing is paused, the library's own keepalive waits, and it goes on answering the peer's
pings: a peer that reads nothing is never found, and one that sends pings besides fills the memory
with answers (seen with websockets 17.4).
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
"""Bytes waiting, beyond which pings are no longer answered one by one."""

PINGS_AT_ONCE = 1_000
"""Pings in what is read at once, up to 256 KiB: a client whose pings are taken as they come has
a few in there, one that floods thousands."""

FLOOD_GRACE = 1.0
"""Seconds that a client which flooded has to take the close frame."""

_LOOKS = 4
"""Looks in the time after which a peer that reads nothing is cut off."""


def waiting(transport: Any) -> int:
    """Bytes that wait to be sent, in all transports that a connection goes through.

    That for TLS tells its own only: what it has encrypted already waits in the one below, which
    uvloop shows to nobody.
    """
    size: int = transport.get_write_buffer_size()
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return size if below is None else size + int(below.get_write_buffer_size())


def answer_unreadable_request(protocol: Any) -> None:
    """Put a 400 response before the end of the stream, where `websockets` gives none.

    It answers a request that is too large, and leaves one with a body or a malformed one without
    a word, so that a client or proxy tries again.

    Args:
        protocol: of a connection that could not complete its handshake.
    """
    problem = protocol.handshake_exc
    if not isinstance(problem, InvalidMessage) or protocol.writes != [b""]:
        return
    if protocol.side is SERVER and not isinstance(problem.__cause__, EOFError):
        words = f"Failed to open a WebSocket connection: {what_was_wrong(problem)}.\n"
        protocol.writes.insert(0, protocol.reject(HTTPStatus.BAD_REQUEST, words).serialize())


def what_was_wrong(problem: Exception) -> str:
    """What was wrong with a handshake, without what the client sent, which may be anything."""
    return str(problem.__cause__ or problem).partition(":")[0]


class WriteListener(Protocol):
    """Hears when a connection can be written to, and when its keepalive fails."""

    def blocked(self) -> None:
        """Writing is paused."""

    def pump(self) -> None:
        """Handle resumed writing; may write."""

    def unanswered(self) -> None:
        """The peer has not answered a keepalive ping in time: its connection is about to end."""


class Guarded(Connection):
    """Put in front of a connection class: watches while writing is paused, and only then.

    Pongs: while much waits already, only the last is kept, and sent when writing goes on; RFC
    6455, 5.5.3, lets an endpoint answer only the latest of several pings.
    """

    stall_timeout: ClassVar[float | None] = None
    """Seconds for which a peer may read nothing of the queued data, until its connection is
    cut; None to leave it alone. A :class:`WriteListener` does this itself."""

    pings_at_once: ClassVar[int | None] = None
    """Pings that may come in what is read at once, before the peer has broken the protocol
    (1002); None for any number. Counted by connections with a probe."""

    ends_frozen: ClassVar[bool] = False
    """True if the keepalive fails while writing is paused, too, by a
    :class:`~rtmon.core.stalled_peer_detection.StalledPeerWatch`. With a
    :class:`WriteListener` it always does."""

    paced: ClassVar[bool] = False
    """True to inflate received data in turns with other connections. A hub always does."""

    on_lost: ClassVar[Callable[[], None] | None] = None
    """Called when a connection of this class has ended, opened or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # CPython keeps the attributes of instances compactly, up to thirty, if their names were
        # known while the class had few instances. When thousands connect at once, all of them
        # are made before the first gets its transport: 1.4 KB more for each, for good.
        self._guard: _Guard | None = None
        late: Any = self
        late.transport = late.recv_messages = None
        super().__init__(*args, **kwargs)

    def listen(self, listener: WriteListener) -> None:
        """Set a listener for paused and resumed writing, and for a failed keepalive."""
        guard = self._guarding()
        guard.listener = listener
        if isinstance(self.keepalive_task, asyncio.Task):
            guard.watch_keepalive()

    def keepalive_failed(self) -> None:
        """Notify the listener, if there is one, that a keepalive ping was not answered in time.

        While writing is paused, the connection is cut: its close frame would never be sent.
        """
        if self._guard is not None:
            self._guard.keepalive_failed()

    def pace_input(self) -> None:
        """Inflate received data in turns with other connections, after the handshake."""
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
            # Where a write failed, its traceback leads to the frame that wrote to all connections:
            # they would wait for the garbage collector.
            exc = exc.with_traceback(None)
        if self._guard is not None:
            self._guard.lost()
            self._guard = None  # it refers to the connection: neither would go by itself
        # The methods that the library and a probe have put before the protocol's own are kept, too.
        for name in ("select_subprotocol", "send_frame"):
            vars(self.protocol).pop(name, None)
        super().connection_lost(exc)
        Pieces.end(self.protocol)
        on_lost = type(self).on_lost
        if on_lost is not None:
            on_lost()

    def written(self) -> int:
        """Bytes handed to the transport so far, as far as that is known."""
        return 0

    def _guarding(self) -> _Guard:
        if self._guard is None:
            self._guard = _Guard(self)
        return self._guard


class GuardedServerConnection(Guarded, ServerConnection):
    """The connection class of a server without a probe."""


class _Guard:
    """State of a connection whose writing is or was paused."""

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
            # May pause writing again; the next write then sees that.
            self._connection.protocol.send_frame(pong)
            self._connection.send_data()
        if self.listener is not None:
            self.listener.pump()

    def watch_keepalive(self) -> None:
        """Record that the library's keepalive has failed; the connection ends by itself.

        Its ``keepalive()`` is not replaced for that, because the fast path would step aside.
        """
        protocol: Any = self._connection.protocol
        fail = protocol.fail

        def failing(code: int, reason: str = "") -> None:
            fail(code, reason)
            if code == CloseCode.INTERNAL_ERROR:
                self._connection.keepalive_failed()

        protocol.fail = failing

    def keepalive_failed(self) -> None:
        """Notify the listener; cut the connection if its close frame would wait."""
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

    # Pongs

    def _hold_pongs(self) -> None:
        # What a protocol sends passes send_frame. It is replaced only while writing is paused,
        # so that it costs nothing at any other time.
        protocol: Any = self._connection.protocol
        self._counted = "send_frame" in vars(protocol)
        self._send_frame = protocol.send_frame
        protocol.send_frame = self._send_frame_later

    def _send_frame_later(self, frame: Frame) -> None:
        assert self._send_frame is not None  # noqa: S101 - it is what this stands in for
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

    # Stalled readers

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
            # A close frame would wait behind all that the peer does not read.
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
