"""Plain integers that probes add to: a Meter for each connection, a Ledger for all of one role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Protocol

from .columns import CONNECTION, ENDING, EVERY, MESSAGE_HISTOGRAMS, SHARED, names
from .counter_fields import LedgerFields, MeterFields
from .derived_values import light_record
from .recent_frames import FRAMES, BlackBox
from .records import ConnectionInfo, Ending
from .safe_text import safe_text

__all__ = ["Ending", "Held", "Ledger", "Meter", "Part", "light_rows"]


class Part(Protocol):
    """A meter's part of the shared counts of a group; see :mod:`.group_message_counts`."""

    @property
    def last(self) -> float | None:
        """When the connection was last sent a shared message, monotonic seconds."""

    def count(self, index: int) -> int:
        """Return its part of one of :data:`rtmon.metrics.columns.SHARED`."""

    def add_frames(self, box: BlackBox) -> None:
        """Add the last shared frames to a black box."""


class Marks(Protocol):
    """Totals shared by several meters."""

    def mark(self) -> None:
        """Mark the rows of all its meters as changed."""


class Held(Protocol):
    """Messages queued before a transport."""

    bytes: int

    @property
    def oldest(self) -> float | None:
        """Since when the first is queued, monotonic seconds; None if none is."""


class Ledger(LedgerFields):
    """Sums over all connections of one role, counted as messages move.

    The histograms of sizes hold the number of messages and their bytes too, so that a hot path
    writes each once. A tick reads the sums in time that does not depend on how many connections
    there are; the dirty list only names the rows that changed.

    Attributes:
        partial_in: bytes of messages not yet whole, less what whole ones had been counted for.
        partial_out: the same for what is sent.
        dirty: the meters that changed since the last tick.
        moved: shared counts that changed since the last tick.
        probes: the kinds of probe of its meters.
    """

    __slots__ = ("dirty", "moved", "partial_in", "partial_out", "probes")

    def __init__(self) -> None:
        super().__init__()
        self.partial_in = 0
        self.partial_out = 0
        self.dirty: list[Meter] = []
        self.moved: list[Marks] = []
        self.probes: set[str] = set()

    def fold(self) -> None:
        """Mark the rows that changed by shared messages."""
        moved, self.moved = self.moved, []
        for shared in moved:
            shared.mark()

    def stop(self) -> None:
        """Stop keeping anything that grows."""
        for column in MESSAGE_HISTOGRAMS:
            getattr(self, column.name).stop()


def _shared(index: int) -> property:
    """A counter of a meter: its own count plus its part of shared counts."""
    own = attrgetter(f"own_{SHARED[index]}")

    def read(meter: Meter) -> int:
        count: int = own(meter)
        for share in meter.shares:
            count += share.count(index)
        return count

    def write(meter: Meter, count: int) -> None:
        setattr(meter, f"own_{SHARED[index]}", count - read(meter) + own(meter))

    return property(read, write)


class Meter(MeterFields):
    """The counters of one connection.

    Probes with little to do per message use :meth:`received`, :meth:`sent` and :meth:`bump`;
    a hot path does the same additions in line. Of the counters in
    :data:`rtmon.metrics.columns.SHARED`, ``own_…`` is the part that was sent to this connection
    alone. The other attributes that the connections table has, too, are defined in
    :data:`rtmon.metrics.columns.CONNECTION`.

    Attributes:
        last: when bytes last moved, monotonic seconds.
        opened: when the handshake was completed, monotonic seconds; None before.
        opened_time: the same by the wall clock, Unix seconds: the one label that the other
            times of this connection are counted from, so that durations stay true when the
            wall clock jumps.
        closed: when the connection ended, monotonic seconds; None before.
        ending: how it ended; None before.
        queue: returns the bytes queued in the transport; None if unknown.
        held: messages queued before the transport; None if there never were any.
        drops_said: number of dropped messages at the last report, and its time in monotonic
        seconds.
        box: the last frames, None before the first.
        handler: records how long the handler took for each message.
        request: the request of the handshake, as the probe's library holds it: an object with
            ``headers``, or pairs of bytes; None where there is none.
        round_trips: the latest, as :mod:`.round_trips` keeps them.
        shares: parts of shared counts.
        too_slow: True once the connection is ended because its reader is too slow.
    """

    __slots__ = (
        "box",
        "closed",
        "dirty",
        "drops_said",
        "ending",
        "handler",
        "held",
        "id",
        "last",
        "ledger",
        "opened",
        "opened_time",
        "probe",
        "queue",
        "request",
        "role",
        "round_trips",
        "shares",
        "too_slow",
        "transport",
    )

    # Values of a row while the connection is open.
    _open, _null = "open", None

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
        super().__init__()
        self.ledger = ledger
        self.id = id
        self.role = role
        self.transport = transport
        self.probe = probe
        self.shares: tuple[Part, ...] = ()
        self.opened: float | None = None
        self.opened_time = 0.0
        self.closed: float | None = None
        self.ending: Ending | None = None
        self.last: float | None = None
        self.queue: Callable[[], int] | None = None
        self.held: Held | None = None
        self.drops_said: tuple[int, float] | None = None
        self.box: BlackBox | None = None
        self.round_trips = b""
        self.request: Any = None
        self.handler = ledger.handler
        self.dirty = False
        self.too_slow = False
        ledger.probes.add(probe)

    def mark(self) -> None:
        """Mark this connection's row as changed; once between two ticks is enough."""
        if not self.dirty:
            self.dirty = True
            self.ledger.dirty.append(self)

    def received(self, size: int, *, binary: bool = False) -> None:
        """Count a whole message received, with its bytes of payload."""
        self.messages_in += 1
        self.bytes_in += size
        self.ledger.size_in.steps[size] += 1
        if binary:
            self.bump("binary_in")
        self.mark()

    def sent(self, size: int, *, binary: bool = False) -> None:
        """Count a whole message sent, with its bytes of payload."""
        self.own_messages_out += 1
        self.own_bytes_out += size
        self.ledger.size_out.steps[size] += 1
        if binary:
            self.bump("binary_out")
        self.mark()

    def bump(self, counter: str, by: int = 1) -> None:
        """Add to any of the other counters: here and in the total.

        Args:
            counter: one of METER_COUNTERS, but for messages and bytes.
            by: the amount.
        """
        setattr(self, counter, getattr(self, counter) + by)
        setattr(self.ledger, counter, getattr(self.ledger, counter) + by)
        self.mark()

    def recent_frames(self) -> BlackBox | None:
        """Return the last frames, shared ones included.

        None if no frames are kept of it.
        """
        if not self.shares:
            return self.box
        box = BlackBox()
        if self.box is not None:
            box.merge(self.box, FRAMES)
        for share in self.shares:
            share.add_frames(box)
        return box

    def row(self) -> list[Any]:
        """Return the connection's row as of now: the values of the columns, in their order.

        Columns that its probe cannot know are null.
        """
        return _WHOLE_ROW(self)

    def info(self) -> ConnectionInfo:
        """Return the same as a record."""
        return ConnectionInfo(**dict(zip(_ROW, self.row(), strict=True)))


class _RowReader:
    """Reads rows of some columns of meters, most of them in one call.

    Args:
        columns: at least two stored columns of the connections table.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(columns)}
        self._values = attrgetter(*(_ATTRIBUTE.get(name, name) for name in columns))
        self._unshared = attrgetter(
            *(f"own_{name}" if name in SHARED else _ATTRIBUTE.get(name, name) for name in columns)
        )
        self._last, self._state, self._closed = map(place.get, ("last_activity", "state", "closed"))
        self._ending = [(place[name], name) for name in ENDING if name in place]
        self._external = [
            place[column.name] for column in CONNECTION if column.external and column.name in place
        ]
        self._unknown = {
            probe: [
                place[column.name]
                for column in CONNECTION
                if column.name in place and probe not in column.probes
            ]
            for probe in EVERY
        }

    def __call__(self, meter: Meter) -> list[Any]:
        row: list[Any] = list((self._values if meter.shares else self._unshared)(meter))
        if self._last is not None:
            row[self._last] = self._last_activity(meter)
        if meter.closed is not None:
            if self._state is not None:
                row[self._state] = "closed"
            if self._closed is not None:
                row[self._closed] = meter.opened_time - (meter.opened or 0.0) + meter.closed
        if meter.ending is not None:
            for index, name in self._ending:
                row[index] = getattr(meter.ending, name)
        for index in self._external:
            text = row[index]
            if text is not None and not (type(text) is str and text.isascii() and len(text) < 64):
                row[index] = safe_text(text)
        for index in self._unknown[meter.probe]:
            row[index] = None
        return row

    def _last_activity(self, meter: Meter) -> float | None:
        last = meter.last
        for share in meter.shares:
            if share.last is not None:
                last = share.last if last is None else max(last, share.last)
        return None if last is None else meter.opened_time - (meter.opened or 0.0) + last


@lru_cache(maxsize=64)  # a view asks for the same at every tick
def light_rows(columns: tuple[str, ...]) -> Callable[[Sequence[Meter]], list[Any]]:
    """Return a function that makes records of meters, for filtering and sorting many.

    They have some columns, as in :meth:`Meter.info`, and the ``meter``; to make one costs a
    fifth of a ConnectionInfo.

    Args:
        columns: at least two stored columns of the connections table.
    """
    read, make = _RowReader(columns), light_record((*columns, "meter"))._make
    return lambda meters: [make((*read(meter), meter)) for meter in meters]


_ROW = names(CONNECTION, derived=False)
_ATTRIBUTE = {"state": "_open", "opened": "opened_time", "last_activity": "last"} | dict.fromkeys(
    ENDING, "_null"
)
_WHOLE_ROW = _RowReader(_ROW)
