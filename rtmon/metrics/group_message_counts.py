"""Message counts that are shared by a group of connections.

A message that is sent to all connections of a group is counted once, in a total of the group.
Adding to the Meter of each connection would take too long if the group has thousands of
connections. A connection's share is computed when it is read: the group's current total, minus the
total when the connection joined, minus the messages that were not sent to this connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .meter import Ledger, Meter
from .recent_frames import FRAMES, BlackBox

__all__ = ["Counts", "EndedParts", "SharedCounts", "SharedPart"]

Counts: TypeAlias = tuple[int, int, int, int]
"""Values of the counters that are named in :data:`rtmon.metrics.columns.SHARED`, in that order."""

_NONE: Counts = (0, 0, 0, 0)


class SharedCounts:
    """Totals of the messages that were sent to all connections of a group.

    The tuple of totals is replaced at each update and never modified, so that other threads cannot
    read a partial update.

    Args:
        ledger: the Ledger that sums up the Meters of the group's connections.
        box: True to store the last frames that are sent to the group in a black box.

    Attributes:
        ledger: as the argument.
        totals: numbers of messages, payload bytes, binary messages and wire bytes that were sent to
            a connection that has been in the group from the start.
        last: monotonic time of the last message to the group; None before the first.
        box: black box with the last frames that were sent to the group; None if the argument
            ``box`` is False.
        shares: Meter of a connection in the group → this connection's share of the totals.
        moved: True if a message was sent to the group since the last tick.
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
        """Add a connection to the group, and return its share, which begins at 0."""
        share = self.shares[meter] = SharedPart(self, meter)
        meter.shares = (*meter.shares, share)
        return share

    def sent(
        self, messages: Sequence[tuple[int, int]], *, wire: int, receivers: int, now: float
    ) -> None:
        """Count messages that were sent to the connections of the group.

        A connection to which they were not sent calls :meth:`SharedPart.skip`.

        Args:
            messages: opcode and payload size in bytes of each message, in order.
            wire: total bytes that were written to each transport for the messages.
            receivers: number of connections that the messages were sent to.
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
        """Return what the totals will be once these messages have been counted.

        Args:
            messages: opcode and payload size in bytes of each message.
            wire: total bytes that are written to each transport for the messages.
        """
        count, size, binary, before = self.totals
        return (
            count + len(messages),
            size + sum(size for _, size in messages),
            binary + sum(opcode == 2 for opcode, _ in messages),
            before + wire,
        )

    def mark(self) -> None:
        """Mark the rows of all connections in the group as changed since the last tick."""
        self.moved = False
        for meter in self.shares:
            meter.mark()


class EndedParts:
    """A connection's final share in the message counts of all groups that it has left."""

    __slots__ = ("_counts",)

    last = None

    def __init__(self, counts: tuple[int, ...]) -> None:
        self._counts = counts

    def count(self, index: int) -> int:
        """Return the connection's share of one counter.

        Args:
            index: index of the counter in :data:`rtmon.metrics.columns.SHARED`.
        """
        return self._counts[index]

    def add_frames(self, box: BlackBox) -> None:
        """Do nothing.

        The groups' frames were added to the Meter's own black box when the connection left the
        groups.
        """


class SharedPart:
    """One connection's share in the message counts of a group.

    Attributes:
        shared: the group's totals.
    """

    __slots__ = ("_meter", "_state", "shared")

    def __init__(self, shared: SharedCounts, meter: Meter) -> None:
        self.shared = shared
        self._meter = meter
        self._state: tuple[Counts, Counts] = (_NONE, shared.totals)

    def count(self, index: int) -> int:
        """Return the connection's share of one counter. The share never decreases.

        Args:
            index: index of the counter in :data:`rtmon.metrics.columns.SHARED`.
        """
        had, since = self._state
        return had[index] + max(0, self.shared.totals[index] - since[index])

    @property
    def last(self) -> float | None:
        """Monotonic time of the last message to the group.

        None if the Meter's own ``last`` already includes this message.
        """
        return self.shared.last if self.shared.totals[0] > self._state[1][0] else None

    def add_frames(self, box: BlackBox) -> None:
        """Add the last frames that were sent to the group to a black box."""
        gained = self.shared.totals[0] - self._state[1][0]
        if self.shared.box is not None and gained > 0:
            box.merge(self.shared.box, min(gained, FRAMES))

    def skip(self, until: Counts) -> None:
        """Exclude messages that are not sent to this connection from its share.

        Args:
            until: the group's totals after these messages; see :meth:`SharedCounts.after`.
        """
        self._settle()
        self._state = (self._counts(), until)

    def leave(self) -> None:
        """Remove the connection from the group. Messages sent so far stay counted."""
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
        """Update the Meter's own ``last`` and black box with the messages sent to the group."""
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
