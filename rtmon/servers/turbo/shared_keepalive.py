"""Keepalive pings for many connections, sent from a few shared timers.

`websockets` has a keepalive task for every connection, and two timers for each ping. With this
module, connections whose pings are due at about the same time share a timer, and a ping is written
without a task if possible. A task is made only while a connection must wait: because its peer does
not read, because its pong is late, or because the connection is closing. The visible behaviour is
the same as that of `websockets`: times and payloads of pings, ``latency``, and the close code 1011.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN

try:
    from websockets.speedups import apply_mask
except ImportError:  # there is no compiled wheel for this platform: use the Python version
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ...probes.websockets.frame_counter import FrameCounter

__all__ = ["GRAINS", "SharedKeepalive"]

GRAINS = 1000
"""Number of timer slots in a ``ping_interval``. A ping is late by one slot at most."""

_ROUNDING = 1e-6
_payload = struct.Struct("!I").pack
_PAYLOAD_SIZE = 4
_PONG = b"\x8a\x84"
"""First two bytes of a client's pong for a keepalive ping: masked, with four bytes of payload."""
_PONG_SIZE = len(_PONG) + 4 + _PAYLOAD_SIZE  # 4 bytes are the mask


class SharedKeepalive(ServerConnection):
    """Mix-in before a connection class with a probe; sends its keepalive pings."""

    _tally: FrameCounter
    _pings: ClassVar[_Pings | None] = None

    def start_keepalive(self) -> None:
        interval = self.ping_interval
        if interval is None or not 0 < interval < math.inf or self.debug:
            super().start_keepalive()
            return
        cls, pings = type(self), self._pings
        if pings is None or pings.loop is not self.loop:
            pings = cls._pings = _Pings(self.loop)
        turn = _Turn(self, pings)
        # `websockets` uses keepalive_task only to cancel it when the connection is lost.
        self.keepalive_task = turn  # type: ignore[assignment]
        pings.plan(turn, self.loop.time() + interval, interval)

    def _took_pong(self, data: bytes) -> bool:
        """Handle received data that is exactly one pong for a keepalive ping.

        Returns False for any other data.

        May be called only while the parser is between two frames and no received data is buffered.
        """
        if len(data) != _PONG_SIZE or not data.startswith(_PONG):
            return False
        protocol = self.protocol
        for limit in (protocol.max_message_size, protocol.max_fragment_size):
            if limit is not None and limit < _PAYLOAD_SIZE:
                return False  # the library's limits apply to control frames, too
        frame = Frame(Opcode.PONG, apply_mask(data[6:], data[2:6]))
        connection: Any = self
        connection._count_wire(len(data))  # noqa: SLF001 - a method of this object
        self.acknowledge_pings(bytes(frame.data))
        try:
            self._tally.frame_received(frame)
        except Exception as exc:
            connection.monitor.probe_failed(exc)
        return True


class _Pings:
    """The timer slots of one event loop; each has the connections to ping at its time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._due: dict[float, set[_Turn]] = {}

    def plan(self, turn: _Turn, when: float, interval: float) -> None:
        """Schedule a connection's next ping on the shared timer of its slot.

        Args:
            turn: the connection's keepalive state.
            when: time of the ping, in seconds of the event loop's clock.
            interval: the connection's ``ping_interval``, in seconds.
        """
        grain = interval / GRAINS
        due = math.ceil(when / grain - _ROUNDING) * grain
        turns = self._due.get(due)
        if turns is None:
            turns = self._due[due] = set()
            self.loop.call_at(due, self._come, due)
        turns.add(turn)
        turn.among = turns

    def _come(self, due: float) -> None:
        turns = self._due.pop(due)
        while turns:
            turns.pop().come()


class _Turn:
    """Keepalive state of one connection; replaces the keepalive task of `websockets`."""

    __slots__ = ("_pings", "_pong", "_sent", "among", "connection")

    among: set[_Turn]

    def __init__(self, connection: SharedKeepalive, pings: _Pings) -> None:
        self.connection: SharedKeepalive | None = connection
        self._pings = pings
        self._pong: asyncio.Future[float] | None = None
        self._sent = 0.0

    def cancel(self) -> None:
        """Stop sending pings, because the connection is lost."""
        self.among.discard(self)
        self.connection = self._pong = None

    def come(self) -> None:
        """Send a ping, or check that the pong to the last ping has arrived."""
        connection = self.connection
        if connection is None:
            return
        try:
            self._take(connection, self._pings.loop.time())
        except Exception:
            connection.logger.exception("keepalive ping failed")

    def _take(self, connection: SharedKeepalive, now: float) -> None:
        interval, timeout = connection.ping_interval, connection.ping_timeout
        assert interval is not None  # noqa: S101 - the library asserts it, too
        pong, self._pong = self._pong, None
        if pong is not None:
            if not pong.done():
                assert timeout is not None  # noqa: S101 - a pong is awaited only with a timeout
                self._wait(connection, pong, self._sent + timeout)
                return
            if self._sent + interval > now:
                self._pings.plan(self, self._sent + interval, interval)
                return
        self._sent = now
        protocol = connection.protocol
        if protocol.state is not OPEN or connection.paused or connection.transport.is_closing():
            self._wait(connection, None, None)
            return
        # The same as Connection.ping(), without awaiting.
        data = _payload(random.getrandbits(32))
        while data in connection.pending_pings:
            data = _payload(random.getrandbits(32))
        pong = self._pings.loop.create_future()
        connection.pending_pings[data] = (pong, now)
        protocol.send_ping(data)
        try:
            connection.send_data()
        except Exception as exc:
            connection.set_connection_exc(exc)
            connection.transport.abort()
            return
        blocked: bool = connection.paused  # the ping may have filled the write buffer
        if blocked or connection.transport.is_closing():
            self._wait(connection, pong, None)
        elif timeout is None:
            self._pings.plan(self, now + interval, interval)
        else:
            self._pong = pong
            self._pings.plan(self, now + min(interval, timeout), interval)

    def _wait(
        self,
        connection: SharedKeepalive,
        pong: Awaitable[float] | None,
        deadline: float | None,
    ) -> None:
        waiting = self._waiting(connection, pong, deadline)
        connection.keepalive_task = self._pings.loop.create_task(waiting)

    async def _waiting(
        self,
        connection: SharedKeepalive,
        pong: Awaitable[float] | None,
        deadline: float | None,
    ) -> None:
        """Do the same as ``Connection.keepalive()``, from one ping to the next.

        Args:
            connection: the connection to ping.
            pong: future of the pong, if a ping was sent; None to send a ping first.
            deadline: time by which the pong must arrive. None to wait until the ping is written,
                and compute the deadline then.
        """
        latency = 0.0
        try:
            if pong is None:
                pong = await connection.ping()
            elif deadline is None:
                await connection.drain()
            timeout, interval = connection.ping_timeout, connection.ping_interval
            if timeout is not None:
                if deadline is None:
                    deadline = self._pings.loop.time() + timeout
                try:
                    async with asyncio.timeout_at(deadline):
                        latency = await pong
                except TimeoutError:
                    async with connection.send_context():
                        connection.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
                        guarded: Any = connection
                        guarded.keepalive_failed()
                    raise AssertionError(
                        "send_context() waits until the connection is lost, which cancels this"
                    ) from None
            assert interval is not None  # noqa: S101 - the library asserts it, too
            connection.keepalive_task = self  # type: ignore[assignment]
            self._pings.plan(self, self._pings.loop.time() + interval - latency, interval)
        except Exception:
            connection.logger.exception("keepalive ping failed")
