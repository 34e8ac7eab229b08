"""Who is slow: bytes that wait to be sent, and for how long the oldest has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .meter import Meter

__all__ = ["DROPPED_SECONDS", "SLOW_SECONDS", "Backlogs"]

SLOW_SECONDS = 1.0
"""A connection is slow when its oldest unsent byte has waited for longer."""

DROPPED_SECONDS = 10.0
"""How often it is said of a connection that messages for it are being dropped."""

_REMEMBERED = 120
"""Ticks of which it is remembered how much had been handed to the transport by then."""


class Backlogs:
    """Watches the connections that have something waiting, and only those.

    A transport tells how much waits, not since when. At each tick it is noted how many bytes
    had been handed over by then; the oldest byte that waits is the one after those that have
    left, so it was handed over before the first note that lies beyond it. That gives its age to
    within a tick, from below.
    """

    def __init__(self) -> None:
        self._notes: dict[Meter, deque[tuple[float, int]]] = {}
        self._slow: set[Meter] = set()
        self._untold: dict[Meter, None] = {}

    @property
    def slow(self) -> int:
        """How many of the server's connections are slow."""
        return sum(meter.role == "server" for meter in self._slow)

    def look(self, candidates: Iterable[Meter], now: float) -> tuple[list[Meter], list[Meter]]:
        """Look at the connections that may have something waiting.

        Args:
            candidates: those that have moved since the last look.
            now: monotonic seconds.

        Returns:
            The connections that have become slow, and those that have recovered.
        """
        for meter in candidates:
            queue = meter.queue
            if queue is not None and queue() and meter not in self._notes:
                self._notes[meter] = deque(maxlen=_REMEMBERED)
        slow: list[Meter] = []
        recovered: list[Meter] = []
        for meter, notes in list(self._notes.items()):
            waiting = meter.queue() if meter.queue is not None else 0
            held = meter.held
            meter.send_queue = waiting if held is None else waiting + held.bytes
            meter.mark()
            if not meter.send_queue:
                meter.queue_age = None
                del self._notes[meter]
            else:
                notes.append((now, meter.wire_out))
                gone = meter.wire_out - waiting
                while len(notes) > 1 and notes[0][1] <= gone:
                    notes.popleft()
                since = notes[0][0]
                if held is not None and held.oldest is not None:
                    since = min(since, held.oldest)
                meter.queue_age = now - since
            is_slow = meter.queue_age is not None and meter.queue_age > SLOW_SECONDS
            if is_slow and meter not in self._slow:
                self._slow.add(meter)
                slow.append(meter)
            elif not is_slow and meter in self._slow:
                self._slow.remove(meter)
                recovered.append(meter)
        return slow, recovered

    def dropped(self, candidates: Iterable[Meter], now: float) -> list[tuple[Meter, int]]:
        """The connections that lost messages since it was last said, and how many.

        Args:
            candidates: those that have moved since the last look.
            now: monotonic seconds.
        """
        for meter in candidates:
            if meter.dropped:
                self._untold[meter] = None
        found = []
        for meter in list(self._untold):
            count, when = meter.drops_said or (0, -DROPPED_SECONDS)
            lost = meter.dropped - count
            # Of one that has ended there is no later.
            if not lost or meter.closed is not None or now - when >= DROPPED_SECONDS:
                del self._untold[meter]
                if lost:
                    meter.drops_said = (meter.dropped, now)
                    found.append((meter, lost))
        return found

    def is_slow(self, meter: Meter) -> bool:
        """Whether a connection was slow at the last look."""
        return meter in self._slow

    def forget(self, meter: Meter) -> None:
        """A connection has ended."""
        self._notes.pop(meter, None)
        self._slow.discard(meter)

    def oldest(self) -> float:
        """Seconds that the oldest byte had waited at the last look, on any of the server's."""
        ages = [meter.queue_age or 0.0 for meter in self._notes if meter.role == "server"]
        return max(ages, default=0.0)

    def waiting(self) -> int:
        """Bytes that waited at the last look, on all of the server's connections."""
        return sum(meter.send_queue for meter in self._notes if meter.role == "server")
