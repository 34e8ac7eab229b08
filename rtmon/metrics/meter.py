"""What one connection has done: plain integers that a probe adds to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

from .blackbox import BlackBox
from .causes import Cause
from .columns import CONNECTION, EVERY, METER_COUNTERS, names
from .ledger import Ledger
from .records import ConnectionInfo
from .share import SHARED, Ended, Share

__all__ = ["Ending", "Held", "Meter", "safe_text"]

TEXT_LENGTH = 256
"""Characters kept of any text that came from outside."""

OWN = tuple(f"own_{name}" if name in SHARED else name for name in METER_COUNTERS)
"""The counters as the meter holds them."""


def safe_text(text: object, length: int = TEXT_LENGTH) -> str | None:
    """Text from outside as records hold it: of bounded length, and valid Unicode.

    An application may name a connection after anything, such as the number of a user. What the
    text means to HTML or a spreadsheet is up to whoever writes those.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        text = str(text)
    if len(text) <= length and text.isascii():
        return text
    return text[:length].encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a connection ended; the fields are those of the connections table."""

    close_code: int | None = None
    code_sent: int | None = None
    reason_sent: str | None = None
    code_received: int | None = None
    reason_received: str | None = None
    initiator: str | None = None
    cause: Cause | None = None


class Held(Protocol):
    """Messages that wait for a transport to take them."""

    bytes: int

    @property
    def oldest(self) -> float | None:
        """Since when the first waits, monotonic seconds; None if there is none."""


def _shared(index: int) -> property:
    """A counter of a meter: what was added to it, and its part in what is shared."""
    own = attrgetter(f"own_{SHARED[index]}")

    def read(meter: Meter) -> int:
        count: int = own(meter)
        for share in meter.shares:
            count += share.count(index)
        return count

    def write(meter: Meter, count: int) -> None:
        setattr(meter, f"own_{SHARED[index]}", count - read(meter) + own(meter))

    return property(read, write)


class Meter:
    """What one connection has done so far.

    Probes with little to do per message use :meth:`received`, :meth:`sent` and :meth:`bump`;
    a hot path does the same additions in line. Counter attributes are those of
    :data:`rtmon.metrics.columns.METER_COUNTERS`; of those in :data:`rtmon.metrics.share.SHARED`,
    ``own_…`` is the part that was sent to this connection alone.

    Attributes:
        name: what the application calls the connection; may be set at any time.
        last: when bytes last moved, monotonic seconds.
        rtt: latest round-trip time in seconds, None before the first.
        opened: when the handshake was completed, monotonic seconds; None before.
        opened_time: the same by the wall clock, Unix seconds: the one label that the other
            times of this connection are counted from, so that durations stay true when the
            wall clock jumps.
        closed: when the connection ended, monotonic seconds; None before.
        ending: how it ended; None before.
        queue: asks the transport how many bytes wait to be sent; None where nobody knows.
        held: what waits before the transport; None if nothing ever has.
        send_queue: how much waited in both at the last tick.
        queue_age: how long the oldest of them has waited, seconds.
        drops_said: messages dropped when that was last said, and when, monotonic seconds.
        paused: seconds during which writing was paused.
        traceback: of the exception that ended the handler.
        box: the last frames, None before the first.
        shares: parts in what several connections were sent alike.
        last_frames: the same as text, once the connection has ended abnormally.
    """

    __slots__ = (
        *OWN,
        "box",
        "closed",
        "dirty",
        "drops_said",
        "ending",
        "held",
        "id",
        "last",
        "last_frames",
        "ledger",
        "name",
        "opened",
        "opened_time",
        "path",
        "paused",
        "probe",
        "queue",
        "queue_age",
        "remote",
        "role",
        "rtt",
        "send_queue",
        "shares",
        "subprotocol",
        "tls",
        "traceback",
        "transport",
        "user_agent",
    )

    messages_in: int
    own_messages_out: int
    bytes_in: int
    own_bytes_out: int
    binary_in: int
    own_binary_out: int
    wire_in: int
    own_wire_out: int
    errors: int
    dropped: int
    pings_in: int

    messages_out, bytes_out, binary_out, wire_out = map(_shared, range(4))

    def __init__(
        self,
        ledger: Ledger,
        id: str,  # noqa: A002 - the field's name
        *,
        role: str = "server",
        transport: str = "websocket",
        probe: str = "websockets",
    ) -> None:
        self.ledger = ledger
        self.id = id
        self.role = role
        self.transport = transport
        self.probe = probe
        for counter in OWN:
            setattr(self, counter, 0)
        self.shares: tuple[Share | Ended, ...] = ()
        self.name: str | None = None
        self.remote: str | None = None
        self.path: str | None = None
        self.subprotocol: str | None = None
        self.user_agent: str | None = None
        self.tls: str | None = None
        self.opened: float | None = None
        self.opened_time = 0.0
        self.closed: float | None = None
        self.ending: Ending | None = None
        self.last: float | None = None
        self.rtt: float | None = None
        self.queue: Callable[[], int] | None = None
        self.held: Held | None = None
        self.send_queue = 0
        self.queue_age: float | None = None
        self.drops_said: tuple[int, float] | None = None
        self.paused = 0.0
        self.traceback: str | None = None
        self.box: BlackBox | None = None
        self.last_frames: str | None = None
        self.dirty = False
        ledger.probes.add(probe)

    def mark(self) -> None:
        """Say that this connection's row has changed; once between two ticks is enough."""
        if not self.dirty:
            self.dirty = True
            self.ledger.dirty.append(self)

    def received(self, size: int, *, binary: bool = False) -> None:
        """Count a whole message received, of so many bytes of payload."""
        self.messages_in += 1
        self.bytes_in += size
        self.ledger.sizes_in.steps[size] += 1
        if binary:
            self.bump("binary_in")
        self.mark()

    def sent(self, size: int, *, binary: bool = False) -> None:
        """Count a whole message sent, of so many bytes of payload."""
        self.own_messages_out += 1
        self.own_bytes_out += size
        self.ledger.sizes_out.steps[size] += 1
        if binary:
            self.bump("binary_out")
        self.mark()

    def bump(self, counter: str, by: int = 1) -> None:
        """Add to any of the other counters: here and in the total.

        Args:
            counter: one of METER_COUNTERS, but for messages and bytes.
            by: how many.
        """
        setattr(self, counter, getattr(self, counter) + by)
        setattr(self.ledger, counter, getattr(self.ledger, counter) + by)
        self.mark()

    def row(self) -> list[Any]:
        """The connection as it is now: the values of the table's columns, in their order.

        What its probe cannot know is null.
        """
        last, closed = self.last, self.closed
        for share in self.shares:
            if share.last is not None:
                last = share.last if last is None else max(last, share.last)
        offset = self.opened_time - (self.opened or 0.0)
        row = [
            self.id,
            safe_text(self.name),
            self.role,
            "open" if closed is None else "closed",
            self.transport,
            safe_text(self.remote),
            safe_text(self.path),
            safe_text(self.subprotocol),
            safe_text(self.user_agent),
            self.tls,
            self.opened_time,
            None if last is None else offset + last,
            *_COUNTERS(self),
            self.rtt,
            self.send_queue,
            self.queue_age,
            self.paused,
            None if closed is None else offset + closed,
            *(_NOT_ENDED if self.ending is None else _ENDING(self.ending)),
            self.traceback,
            self.last_frames,
        ]
        for index in _UNKNOWN[self.probe]:
            row[index] = None
        return row

    def info(self) -> ConnectionInfo:
        """The same as a record."""
        return ConnectionInfo(**dict(zip(_ROW, self.row(), strict=True)))


_COUNTERS = attrgetter(*METER_COUNTERS)
_ENDING = attrgetter(*Ending.__dataclass_fields__)
_NOT_ENDED = (None,) * len(Ending.__dataclass_fields__)
_ROW = names(CONNECTION, derived=False)
_UNKNOWN = {
    probe: tuple(
        _ROW.index(column.name)
        for column in CONNECTION
        if not column.derived and probe not in column.probes
    )
    for probe in EVERY
}
