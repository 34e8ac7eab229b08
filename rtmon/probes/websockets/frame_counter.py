"""Count what a connection of ``websockets`` sends and receives, frame by frame.

This code runs for every frame of every connection. So it has few calls, makes no objects, and
writes each number once. Rarely needed objects are made at first use: a connection without messages
has no ring buffer, and one whose messages never wait has no queue of arrival times.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode

from ...metrics.recent_frames import SLOTS, BlackBox
from ..base import ConnectionProbe, octets

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...metrics.histogram import HistogramRecorder
    from ...metrics.meter import Ledger, Meter
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["FrameCounter", "GroupMembership"]

_TEXT, _BINARY, _CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
_PING, _PONG = Opcode.PING, Opcode.PONG
_CONTROL = {_PING: "pings", _PONG: "pongs"}
_LAST = SLOTS - 1
_NONE_BEGUN: dict[str, tuple[bool, int]] = {}

ARRIVALS = 1024
"""Maximum number of queued messages whose arrival time is kept."""


class GroupMembership(Protocol):
    """Interface: a connection's membership in a group, which collects messages for it."""

    def flush(self, *, begins: bool) -> None:
        """Write the messages that the group has collected for this connection.

        Args:
            begins: True if the next frame of the connection begins a message, so the connection is
                not in the middle of a fragmented message.
        """

    def leave(self) -> None:
        """Leave the group, because the connection has ended."""


class FrameCounter(ConnectionProbe):
    """Counts one connection's frames in its Meter, and reports the connection to a Monitor.

    Args:
        monitor: the Monitor that records the connection.
        role: the measured end of the connection, ``server`` or ``client``.
        times: True to record also the last frames of the connection, how long messages wait for
            the handler, and how long the handler takes.

    Attributes:
        between: used by the fast path. True while the parser is between two messages and no
            received data is buffered.
        original_send_frame: the protocol's own method ``send_frame``.
        pongs_left: number of pings that may still be answered until the received data is handled;
            None for no limit.
        groups: the groups that the connection is in. Their collected messages are written before
            the connection's own.
        payloads: True to keep the beginning of each payload, too.
        times: as the argument.
    """

    __slots__ = (
        "_arrivals",
        "_arrived",
        "_parts",
        "_pinged",
        "between",
        "groups",
        "original_send_frame",
        "payloads",
        "pongs_left",
        "times",
    )

    kind = "websockets"
    original_send_frame: Callable[[Frame], None]

    def __init__(self, monitor: Recorder, *, role: str = "server", times: bool = True) -> None:
        super().__init__(monitor, role=role)
        self.between = False
        self.pongs_left: int | None = None
        self.groups: tuple[GroupMembership, ...] = ()
        self.times = times
        self.payloads = times and monitor.capture_payload
        # For each direction, the fragmented message in progress: if binary, and bytes so far.
        self._parts: dict[str, tuple[bool, int]] = _NONE_BEGUN
        self._arrived: float | None = None
        self._arrivals: deque[float] | None = None
        self._pinged: tuple[bytes, float] | None = None

    def frame_received(self, frame: Frame) -> None:
        """Count a received frame. The time of its arrival is in ``meter.last``."""
        opcode = frame.opcode
        size = len(frame.data)
        meter = self.meter
        if self.times:
            box = meter.box
            if box is None:
                box = meter.box = BlackBox()
            at = box.at
            ring = box.ring
            ring[at] = meter.last  # type: ignore[assignment]
            ring[at + 1] = size * 32 + opcode
            box.at = at + 2 & _LAST
            if self.payloads:
                self.monitor.keep_payload(box, frame.data)
        if frame.fin and (opcode is _TEXT or opcode is _BINARY):
            meter.messages_in += 1
            meter.bytes_in += size
            ledger = meter.ledger
            ledger.size_in.steps[size] += 1
            if opcode is _BINARY:
                meter.binary_in += 1
                ledger.binary_in += 1
        elif not self._part("in", opcode, size, fin=frame.fin):
            return
        if self.times:
            if self._arrived is None:
                self._arrived = meter.last
            else:
                self._queue(meter.last)

    def frame_sent(self, opcode: Opcode, data: Any, fin: bool) -> None:  # noqa: FBT001 - a hot path
        """Count a sent frame."""
        size = len(data)
        meter = self.meter
        meter.last = now = self.now()
        if self.times:
            box = meter.box
            if box is None:
                box = meter.box = BlackBox()
            at = box.at
            ring = box.ring
            ring[at] = now
            ring[at + 1] = size * 32 + 16 + opcode
            box.at = at + 2 & _LAST
            if self.payloads:
                self.monitor.keep_payload(box, data)
        if fin and (opcode is _TEXT or opcode is _BINARY):
            meter.own_messages_out += 1
            meter.own_bytes_out += size
            ledger = meter.ledger
            ledger.size_out.steps[size] += 1
            if opcode is _BINARY:
                meter.own_binary_out += 1
                ledger.binary_out += 1
        else:
            if opcode is _PING:
                self._pinged = bytes(data), now
            self._part("out", opcode, size, fin=fin)

    def since_ping(self, data: bytes) -> float | None:
        """Return the seconds since the latest ping, if ``data`` is its payload; else None.

        The library measures round trips with the event loop's clock. uvloop's clock has a
        resolution of only a millisecond, so rtmon measures them itself with its own clock.
        """
        pinged = self._pinged
        if pinged is None or pinged[0] != data:
            return None
        self._pinged = None
        return self.now() - pinged[1]

    def handed(self) -> None:
        """Report that the handler was given a message: its handler time begins."""
        self._handed_at = now = self.now()
        arrived = self._arrived
        if arrived is not None:
            self.meter.ledger.receive.steps[int((now - arrived) * 1e6)] += 1
            arrivals = self._arrivals
            self._arrived = arrivals.popleft() if arrivals else None

    def streamed(self) -> None:
        """Report that the handler has received a message as a stream of fragments.

        Such a message has no single time of delivery, so its waiting time is not counted.
        """
        arrivals = self._arrivals
        self._arrived = arrivals.popleft() if arrivals else None

    def send_frame(self, frame: Frame) -> None:
        """Send a frame with the protocol's own ``send_frame``, then count it.

        Raises:
            ProtocolError: too many pings arrived in one read. The library then fails the
                connection.
        """
        opcode = frame.opcode
        if opcode is _PONG and self.pongs_left is not None:
            self.pongs_left -= 1
            if self.pongs_left < 0:
                raise ProtocolError("too many pings at once")
        if self.groups and opcode is not _CONT:
            self.flush(begins=opcode is _TEXT or opcode is _BINARY)
        self.original_send_frame(frame)
        try:
            data = frame.data
            self.frame_sent(opcode, data if type(data) is bytes else octets(data), frame.fin)
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def flush(self, *, begins: bool) -> None:
        """Write the messages that groups hold for the connection; see :class:`GroupMembership`."""
        for membership in self.groups:
            membership.flush(begins=begins)

    def _part(self, way: str, opcode: Opcode, size: int, *, fin: bool) -> bool:
        """Count a fragment or a control frame. Returns True if it ends a message."""
        meter = self.meter
        if opcode is _TEXT or opcode is _BINARY:
            self._parts = {**self._parts, way: (opcode is _BINARY, 0)}
        elif opcode is not _CONT:
            if opcode in _CONTROL:
                meter.bump(f"{_CONTROL[opcode]}_{way}")
            return False
        binary, before = self._parts[way]
        _add(meter, f"bytes_{way}", size)
        if not fin:
            self._parts[way] = binary, before + size
            _add(meter.ledger, f"partial_{way}", size)
            return False
        _add(meter, f"messages_{way}", 1)
        _add(meter.ledger, f"partial_{way}", -before)
        sizes: HistogramRecorder = getattr(meter.ledger, f"size_{way}")
        sizes.steps[before + size] += 1
        if binary:
            meter.bump(f"binary_{way}")
        meter.bump(f"fragmented_{way}")
        return True

    def _queue(self, arrived: float | None) -> None:
        """Store the arrival time of a message that waits behind another one."""
        if self._arrivals is None:
            self._arrivals = deque(maxlen=ARRIVALS)
        if arrived is not None:
            self._arrivals.append(arrived)


def _add(counters: Meter | Ledger, name: str, count: int) -> None:
    setattr(counters, name, getattr(counters, name) + count)
