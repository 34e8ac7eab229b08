"""What several connections were sent alike: counted once for all, and read for each.

Adding to a thousand meters costs more than writing to a thousand sockets has room for. So what a
group of connections was sent in common is added to one total, and a connection's part of it is
its total now, less the total when the connection joined, less what it was not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .blackbox import FRAMES, BlackBox
from .meter import Ledger, Meter

__all__ = ["Counts", "EndedParts", "SharedCounts", "SharedPart"]

Counts: TypeAlias = tuple[int, int, int, int]
"""Counters in the order of :data:`rtmon.metrics.columns.SHARED`."""

_NONE: Counts = (0, 0, 0, 0)


class SharedCounts:
    """Totals of what every connection of a set was sent.

    All of it is replaced at once, so that another thread that reads never sees half of it.

    Args:
        ledger: that of all the meters which have a share.
        box: whether to keep the last frames.

    Attributes:
        totals: what a connection has been sent that was there from the beginning.
        last: when it was last sent something, monotonic seconds; None before.
        shares: who has a part in it.
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
        """Give a meter a part in what is sent from now on."""
        share = self.shares[meter] = SharedPart(self, meter)
        meter.shares = (*meter.shares, share)
        return share

    def sent(
        self, messages: Sequence[tuple[int, int]], *, wire: int, receivers: int, now: float
    ) -> None:
        """Count messages that were sent to all but those who were told to skip them.

        Args:
            messages: opcode and size in bytes of each message's payload, in order.
            wire: bytes that each transport was handed for them together.
            receivers: how many connections they were sent to.
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
        """What the totals will be once these messages have been sent."""
        count, size, binary, before = self.totals
        return (
            count + len(messages),
            size + sum(size for _, size in messages),
            binary + sum(opcode == 2 for opcode, _ in messages),
            before + wire,
        )

    def mark(self) -> None:
        """Say of all who have a part that they have moved since the last tick."""
        self.moved = False
        for meter in self.shares:
            meter.mark()


class EndedParts:
    """What a meter had of the shares that have ended."""

    __slots__ = ("_counts",)

    last = None

    def __init__(self, counts: tuple[int, ...]) -> None:
        self._counts = counts

    def count(self, index: int) -> int:
        """Return how much it is of one of the shared counters."""
        return self._counts[index]

    def add_frames(self, box: BlackBox) -> None:
        """Add nothing: the meter's own black box has them since the share ended."""


class SharedPart:
    """One meter's part in what its connection was sent in common with others.

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
        """When the connection was last sent something that all were; None if settled since."""
        return self.shared.last if self.shared.totals[0] > self._state[1][0] else None

    def add_frames(self, box: BlackBox) -> None:
        """Add to a black box the last frames of it that are not in the meter's own."""
        gained = self.shared.totals[0] - self._state[1][0]
        if self.shared.box is not None and gained > 0:
            box.merge(self.shared.box, min(gained, FRAMES))

    def skip(self, until: Counts) -> None:
        """What comes until the totals are these is not sent to this connection."""
        self._settle()
        self._state = (self._counts(), until)

    def leave(self) -> None:
        """The connection gets no more of it; what it was sent stays counted."""
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
        """Write down in the meter what cannot be told apart later."""
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
