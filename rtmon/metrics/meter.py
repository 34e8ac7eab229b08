"""Counters that probes add to: a Meter for each connection, a Ledger for the total of many."""

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
    """A connection's share in the message counts of a group of connections.

    See :mod:`.group_message_counts`.
    """

    @property
    def last(self) -> float | None:
        """Monotonic time at which the group was last sent a message; None if never."""

    def count(self, index: int) -> int:
        """Return the connection's share of one counter.

        Args:
            index: index of the counter in :data:`rtmon.metrics.columns.SHARED`.
        """

    def add_frames(self, box: BlackBox) -> None:
        """Add the last frames that were sent to the group to the connection's black box."""


class Marks(Protocol):
    """Counters that are shared by several Meters."""

    def mark(self) -> None:
        """Mark the rows of all Meters that share the counters as changed."""


class Held(Protocol):
    """A queue of messages that are not in the transport yet; ``bytes`` is the queue's size."""

    bytes: int

    @property
    def oldest(self) -> float | None:
        """Monotonic time at which the oldest message was queued; None if the queue is empty."""


class Ledger(LedgerFields):
    """Totals over all connections of one role, ``server`` or ``client``.

    Probes add to a Ledger at every message, so that a tick reads the totals without visiting every
    connection. Numbers of messages and bytes are not counted separately: the histograms of message
    sizes contain both.

    Attributes:
        partial_in: correction in bytes, added to the sum of ``size_in``: bytes received of
            messages that are still incomplete.
        partial_out: the same correction for sent messages and ``size_out``.
        dirty: Meters that changed since the last tick.
        moved: shared counts that changed since the last tick.
        probes: kinds of probe of the connections.
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
        """Mark the rows of all connections as changed whose group was sent a message."""
        moved, self.moved = self.moved, []
        for shared in moved:
            shared.mark()

    def stop(self) -> None:
        """Discard all values of the histograms, and all that are added later."""
        for column in MESSAGE_HISTOGRAMS:
            getattr(self, column.name).stop()


def _shared(index: int) -> property:
    """Return a Meter's property for a counter: its own count plus its shares in groups.

    Args:
        index: index of the counter in :data:`rtmon.metrics.columns.SHARED`.
    """
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
    """The counters and state of one connection.

    Most probes count with :meth:`received`, :meth:`sent` and :meth:`bump`. The fastest probes
    do the same additions inline. For the counters in :data:`rtmon.metrics.columns.SHARED`, the
    attribute ``own_…`` counts messages that were sent to this connection only, and not to a group.
    Attributes with the name of a column are defined in :data:`rtmon.metrics.columns.CONNECTION`.

    Attributes:
        last: monotonic time at which bytes were last received or sent.
        opened: monotonic time at which the handshake completed; None before.
        opened_time: Unix time at which the handshake completed. The connection's other Unix times
            are computed from this one and from monotonic times, so that durations stay correct if
            the wall clock jumps.
        closed: monotonic time at which the connection ended; None while it is open.
        ending: how the connection ended; None while it is open.
        queue: function that returns the number of bytes queued in the transport; None if unknown.
        held: queue of messages that are not in the transport yet; None if there is no such queue.
        drops_said: number of dropped messages as of the last Event about them, and the Event's
            monotonic time; None before the first.
        box: black box with the last frames; None before the first frame.
        handler: recorder of the time that the handler takes for each message.
        request: request of the handshake, as the probe's library represents it: an object with
            ``headers``, or pairs of bytes. None if unknown.
        round_trips: the latest round-trip times, in the format of :mod:`.round_trips`.
        shares: the connection's shares in the message counts of groups.
        too_slow: True once this side ends the connection because the peer is a slow consumer.
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

    # Values in the row of an open connection: of the column `state`, and of columns about the end.
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
        """Mark this connection's row as changed since the last tick."""
        if not self.dirty:
            self.dirty = True
            self.ledger.dirty.append(self)

    def received(self, size: int, *, binary: bool = False) -> None:
        """Count a complete message received.

        Args:
            size: payload size in bytes.
            binary: True for a binary message, False for a text message.
        """
        self.messages_in += 1
        self.bytes_in += size
        self.ledger.size_in.steps[size] += 1
        if binary:
            self.bump("binary_in")
        self.mark()

    def sent(self, size: int, *, binary: bool = False) -> None:
        """Count a complete message sent.

        Args:
            size: payload size in bytes.
            binary: True for a binary message, False for a text message.
        """
        self.own_messages_out += 1
        self.own_bytes_out += size
        self.ledger.size_out.steps[size] += 1
        if binary:
            self.bump("binary_out")
        self.mark()

    def bump(self, counter: str, by: int = 1) -> None:
        """Add to a counter of this connection, and to the same counter of the Ledger.

        Args:
            counter: name out of METER_COUNTERS, except those of messages and bytes, for which
                there are :meth:`received` and :meth:`sent`.
            by: the amount to add.
        """
        setattr(self, counter, getattr(self, counter) + by)
        setattr(self.ledger, counter, getattr(self.ledger, counter) + by)
        self.mark()

    def recent_frames(self) -> BlackBox | None:
        """Return the last frames, including those that were sent to a group of connections.

        None if no frames of this connection are kept.
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
        """Return the connection's current row: the values of all stored columns, in their order.

        Columns that the probe cannot measure are None.
        """
        return _WHOLE_ROW(self)

    def info(self) -> ConnectionInfo:
        """Return the connection's current row as a ConnectionInfo."""
        return ConnectionInfo(**dict(zip(_ROW, self.row(), strict=True)))


class _RowReader:
    """Reads the values of some columns from Meters. One call reads most of a Meter's values.

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


@lru_cache(maxsize=64)  # A view requests the same columns at every tick.
def light_rows(columns: tuple[str, ...]) -> Callable[[Sequence[Meter]], list[Any]]:
    """Return a function that builds records with only some columns from Meters.

    A record has the requested columns, and the Meter as ``meter``. Building a record costs a fifth
    of building a ConnectionInfo. Queries use such records to filter and sort many connections.

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
