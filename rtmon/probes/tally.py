"""What a connection of ``websockets`` has sent and received, counted frame by frame.

These lines run for every frame of every connection, so they are flat: no layers, no objects,
every number written once. What is rare is made when it first happens: a connection that never
spoke has no ring, and one whose messages are taken as they come has no queue.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode

from ..metrics.blackbox import SLOTS, BlackBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..metrics.meter import Meter
    from ..monitor import Monitor

__all__ = ["Membership", "Tally"]

_TEXT, _BINARY, _CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
_PING, _PONG = Opcode.PING, Opcode.PONG
_CONTROL = {
    (_PING, False): "pings_in",
    (_PING, True): "pings_out",
    (_PONG, False): "pongs_in",
    (_PONG, True): "pongs_out",
}
_LAST = SLOTS - 1

ARRIVALS = 1024
"""Messages that may wait for their handler with their time of arrival known."""


class Membership(Protocol):
    """A connection's place in a group that writes to it in its own time."""

    def flush(self, *, begins: bool) -> None:
        """Write what waits for this connection.

        Args:
            begins: whether what the connection sends next begins a message, so that none is
                under way.
        """

    def leave(self) -> None:
        """The connection has ended."""


class Tally:
    """Counts one connection's frames into its meter.

    Args:
        meter: where it counts.
        monitor: whose clock, hooks and failures these are.
        counted: whether the meter's numbers go anywhere.
        times: whether to keep the last frames, and how long messages wait and handlers take.

    Attributes:
        between: for the fast path: whether the parser stands between two frames, outside any
            message, with nothing read.
        original_send_frame: the protocol's own.
        pongs_left: pings that may be answered of those being read; None for any number.
        groups: the groups that write to the connection; what waits there goes out before what
            the connection sends itself.
        payloads: whether the beginnings of payloads are kept, too.
        times: whether the last frames are kept, and how long messages wait and handlers take.
        now: reads the monotonic clock.
    """

    __slots__ = (
        "_arrivals",
        "_arrived",
        "_binary_in",
        "_binary_out",
        "_handed_at",
        "_monitor",
        "_partial_in",
        "_partial_out",
        "between",
        "counted",
        "groups",
        "meter",
        "now",
        "original_send_frame",
        "payloads",
        "pongs_left",
        "times",
    )

    original_send_frame: Callable[[Frame], None]

    def __init__(self, meter: Meter, monitor: Monitor, *, counted: bool, times: bool) -> None:
        self.meter = meter
        self.now = monitor.clock.monotonic
        self.counted = counted
        self.between = False
        self.pongs_left: int | None = None
        self.groups: tuple[Membership, ...] = ()
        self._monitor = monitor
        self.times = times
        self.payloads = times and monitor.capture_payload
        self._binary_in = self._binary_out = False
        self._partial_in = self._partial_out = 0
        self._arrived: float | None = None
        self._arrivals: deque[float] | None = None
        self._handed_at: float | None = None

    def received(self, frame: Frame) -> None:  # noqa: C901 - flat on purpose
        """A frame came in; when, the meter knows: ``meter.last``."""
        opcode = frame.opcode
        data = frame.data
        size = len(data)
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
                self._monitor.keep_payload(box, data)
        if opcode is _TEXT:
            self._binary_in = False
        elif opcode is _BINARY:
            self._binary_in = True
        elif opcode is not _CONT:
            self._control(opcode, sent=False)
            return
        meter.bytes_in += size
        if not frame.fin:
            self._partial_in += size
            meter.ledger.partial_in += size
            return
        meter.messages_in += 1
        ledger = meter.ledger
        if self._binary_in:
            meter.binary_in += 1
            ledger.binary_in += 1
        if opcode is _CONT:
            meter.bump("fragmented_in")
            ledger.partial_in -= self._partial_in
            size += self._partial_in
            self._partial_in = 0
        ledger.sizes_in.steps[size] += 1
        if self.times:
            if self._arrived is None:
                self._arrived = meter.last
            else:
                self._queue(meter.last)

    def sent(self, opcode: Opcode, data: Any, fin: bool) -> None:  # noqa: FBT001 - a hot path
        """A frame was sent."""
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
                self._monitor.keep_payload(box, data)
        if opcode is _TEXT:
            self._binary_out = False
        elif opcode is _BINARY:
            self._binary_out = True
        elif opcode is not _CONT:
            self._control(opcode, sent=True)
            return
        meter.own_bytes_out += size
        ledger = meter.ledger
        if not fin:
            self._partial_out += size
            ledger.partial_out += size
            return
        meter.own_messages_out += 1
        if self._binary_out:
            meter.own_binary_out += 1
            ledger.binary_out += 1
        if opcode is _CONT:
            meter.bump("fragmented_out")
            ledger.partial_out -= self._partial_out
            size += self._partial_out
            self._partial_out = 0
        ledger.sizes_out.steps[size] += 1

    def asked(self) -> None:
        """The handler asks for the next message: it is done with the one before."""
        handed_at = self._handed_at
        if handed_at is not None:
            self._handed_at = None
            self.meter.ledger.handler.steps[int((self.now() - handed_at) * 1e6)] += 1

    def handed(self) -> None:
        """The handler was given a message."""
        self._handed_at = now = self.now()
        arrived = self._arrived
        if arrived is not None:
            self.meter.ledger.receive.steps[int((now - arrived) * 1e6)] += 1
            arrivals = self._arrivals
            self._arrived = arrivals.popleft() if arrivals else None

    def streamed(self) -> None:
        """The handler has taken a message fragment by fragment, the first before the last came.

        So there is no time at which it was handed over; the next message's is another.
        """
        arrivals = self._arrivals
        self._arrived = arrivals.popleft() if arrivals else None

    def send_frame(self, frame: Frame) -> None:
        """What becomes a protocol's ``send_frame``: it counts what the original has taken.

        Raises:
            ProtocolError: too many pings were read at once; whoever reads them fails the
                connection.
        """
        if self.pongs_left is not None and frame.opcode is _PONG:
            self.pongs_left -= 1
            if self.pongs_left < 0:
                raise ProtocolError("too many pings at once")
        if self.groups:
            opcode = frame.opcode
            if opcode is not _CONT:
                self.flush(begins=opcode is _TEXT or opcode is _BINARY)
        self.original_send_frame(frame)
        try:
            self.sent(frame.opcode, frame.data, frame.fin)
        except Exception as exc:
            self._monitor.probe_failed(exc)

    def flush(self, *, begins: bool) -> None:
        """Have written what groups hold for the connection; see :class:`Membership`."""
        for membership in self.groups:
            membership.flush(begins=begins)

    def _control(self, opcode: Opcode, *, sent: bool) -> None:
        counter = _CONTROL.get((opcode, sent))
        if counter is not None:
            self.meter.bump(counter)

    def _queue(self, arrived: float | None) -> None:
        """Remember when a message came whose turn is not next."""
        if self._arrivals is None:
            self._arrivals = deque(maxlen=ARRIVALS)
        if arrived is not None:
            self._arrivals.append(arrived)
