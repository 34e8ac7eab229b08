"""Shared counts of a group: messages sent to all members are counted once, and read for each.

Adding to a thousand meters would be too slow beside writing to a thousand sockets. So messages to a
whole group are added to one total. A connection's part is the current total, less the total when it
joined, less the messages that it was not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .meter import Ledger, Meter
from .recent_frames import FRAMES, BlackBox

__all__ = ["Counts", "EndedParts", "SharedCounts", "SharedPart"]

Counts: TypeAlias = tuple[int, int, int, int]
"""Counters in the order of :data:`rtmon.metrics.columns.SHARED`."""

_NONE: Counts = (0, 0, 0, 0)


class SharedCounts:
    """Totals of the messages sent to every connection of a group.

    They are replaced as a whole, so that other threads never read a partial update.

    Args:
        ledger: the ledger of all its meters.
        box: True to keep the last frames.

    Attributes:
        totals: counts of a connection that was a member from the beginning.
        last: time of the last message, monotonic seconds; None before.
        shares: the parts of its meters.
    """

    __slots__ = ("box", "last", "ledger", "moved", "shares", "totals")

    def __init__(self, ledger: Ledger, *, box: bool) -> None:
        self.ledger = ledger
        self.totals: Counts = _NONE
        self.last: float | None = None
        self.box = BlackBox() if box else None
        self.shares: dict[Meter, SharedPart] = {}
        self.moved = False

    def join(self, meter: Meter) -> SharedPart:
        """Return a meter's part in future messages."""
        share = self.shares[meter] = SharedPart(self, meter)
        meter.shares = (*meter.shares, share)
        return share

    def sent(
        self, messages: Sequence[tuple[int, int]], *, wire: int, receivers: int, now: float
    ) -> None:
        """Count messages that were sent to all members but those that skip them.

        Args:
            messages: opcode and size in bytes of each message's payload, in order.
            wire: bytes written to each transport for all of them.
            receivers: number of connections that they were sent to.
            now: monotonic seconds.
        """
        self.totals = self.after(messages, wire)
        if not receivers:
            return
        self.last = now
        ledger = self.ledger
        steps = ledger.size_out.steps
        box = self.box
        for opcode, size in messages:
            steps[size] += receivers
            if opcode == 2:
                ledger.binary_out += receivers
            if box is not None:
                box.record(now, size, opcode, sent=True)
        ledger.wire_out += wire * receivers
        if not self.moved:
            self.moved = True
            ledger.moved.append(self)

    def after(self, messages: Sequence[tuple[int, int]], wire: int) -> Counts:
        """Return the totals after these messages."""
        count, size, binary, before = self.totals
        return (
            count + len(messages),
            size + sum(size for _, size in messages),
            binary + sum(opcode == 2 for opcode, _ in messages),
            before + wire,
        )

    def mark(self) -> None:
        """Mark the rows of all members as changed since the last tick."""
        self.moved = False
        for meter in self.shares:
            meter.mark()


class EndedParts:
    """A meter's final part of groups that it has left."""

    __slots__ = ("_counts",)

    last = None

    def __init__(self, counts: tuple[int, ...]) -> None:
        self._counts = counts

    def count(self, index: int) -> int:
        """Return its part of one of the shared counters."""
        return self._counts[index]

    def add_frames(self, box: BlackBox) -> None:
        """Add nothing: the frames are in the meter's own black box already."""


class SharedPart:
    """One meter's part of the shared counts of a group.

    Attributes:
        shared: the totals.
    """

    __slots__ = ("_meter", "_state", "shared")

    def __init__(self, shared: SharedCounts, meter: Meter) -> None:
        self.shared = shared
        self._meter = meter
        self._state: tuple[Counts, Counts] = (_NONE, shared.totals)

    def count(self, index: int) -> int:
        """Return how much it is of one of the shared counters; it never falls."""
        had, since = self._state
        return had[index] + max(0, self.shared.totals[index] - since[index])

    @property
    def last(self) -> float | None:
        """Time of the last shared message; None if settled since."""
        return self.shared.last if self.shared.totals[0] > self._state[1][0] else None

    def add_frames(self, box: BlackBox) -> None:
        """Add the last shared frames to a black box."""
        gained = self.shared.totals[0] - self._state[1][0]
        if self.shared.box is not None and gained > 0:
            box.merge(self.shared.box, min(gained, FRAMES))

    def skip(self, until: Counts) -> None:
        """Exclude the messages up to these totals: they are not sent to this connection."""
        self._settle()
        self._state = (self._counts(), until)

    def leave(self) -> None:
        """End the membership; messages sent so far stay counted."""
        meter = self._meter
        if self.shared.shares.pop(meter, None) is None:
            return
        self._settle()
        counts: tuple[int, ...] = self._counts()
        others = [share for share in meter.shares if share is not self]
        if others and isinstance(others[0], EndedParts):
            before = others.pop(0)
            counts = tuple(before.count(n) + counts[n] for n in range(4))
        meter.shares = (EndedParts(counts), *others)
        meter.mark()

    def _counts(self) -> Counts:
        return (self.count(0), self.count(1), self.count(2), self.count(3))

    def _settle(self) -> None:
        """Add the part to the meter's own counters."""
        gained = self.shared.totals[0] - self._state[1][0]
        if gained <= 0:
            return
        meter, box, last = self._meter, self.shared.box, self.shared.last
        if last is not None and (meter.last is None or meter.last < last):
            meter.last = last
        if box is not None:
            if meter.box is None:
                meter.box = BlackBox()
            self.add_frames(meter.box)
