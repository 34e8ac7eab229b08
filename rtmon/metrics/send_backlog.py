"""Detect slow consumers: bytes queued to be sent, and the age of the oldest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .meter import Meter

__all__ = ["DROPPED_SECONDS", "SLOW_SECONDS", "Backlogs"]

SLOW_SECONDS = 1.0
"""Seconds after which an unsent byte makes its connection slow."""

DROPPED_SECONDS = 10.0
"""Seconds between two reports of dropped messages of a connection."""

_REMEMBERED = 120
"""Number of ticks for which the bytes passed to the transport are remembered."""


class Backlogs:
    """Watches only connections with queued bytes.

    A transport reports the number of queued bytes, not their age. Each tick records the total bytes
    passed to the transport so far. The oldest queued byte follows those already sent, so it was
    passed before the first recorded total beyond it. That is a lower bound of its age, exact to a
    tick.
    """

    def __init__(self) -> None:
        self._notes: dict[Meter, deque[tuple[float, int]]] = {}
        self._slow: set[Meter] = set()
        self._untold: dict[Meter, None] = {}

    @property
    def slow(self) -> int:
        """Number of the server's slow connections."""
        return sum(meter.role == "server" for meter in self._slow)

    def look(self, candidates: Iterable[Meter], now: float) -> tuple[list[Meter], list[Meter]]:
        """Check the connections that may have queued bytes.

        Args:
            candidates: connections with traffic since the last check.
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
        """Return the connections with dropped messages since their last report, and the numbers.

        Args:
            candidates: connections with traffic since the last check.
            now: monotonic seconds.
        """
        for meter in candidates:
            if meter.dropped:
                self._untold[meter] = None
        found = []
        for meter in list(self._untold):
            count, when = meter.drops_said or (0, -DROPPED_SECONDS)
            lost = meter.dropped - count
            # An ended connection has no later report.
            if not lost or meter.closed is not None or now - when >= DROPPED_SECONDS:
                del self._untold[meter]
                if lost:
                    meter.drops_said = (meter.dropped, now)
                    found.append((meter, lost))
        return found

    def is_slow(self, meter: Meter) -> bool:
        """Return True if a connection was slow at the last check."""
        return meter in self._slow

    def forget(self, meter: Meter) -> None:
        """Remove a connection that has ended."""
        self._notes.pop(meter, None)
        self._slow.discard(meter)

    def oldest(self) -> float:
        """Age in seconds of the server's oldest queued byte, at the last check."""
        ages = [meter.queue_age or 0.0 for meter in self._notes if meter.role == "server"]
        return max(ages, default=0.0)

    def waiting(self) -> int:
        """Queued bytes of all of the server's connections, at the last check."""
        return sum(meter.send_queue for meter in self._notes if meter.role == "server")
