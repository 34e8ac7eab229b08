"""Detect slow consumers, by the bytes queued for sending and the age of the oldest byte."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .meter import Meter

__all__ = ["DROPPED_SECONDS", "SLOW_SECONDS", "Backlogs"]

SLOW_SECONDS = 1.0
"""A connection is slow if its oldest queued byte has waited for more than this many seconds."""

DROPPED_SECONDS = 10.0
"""Minimum seconds between two reports of dropped messages for the same connection."""

_REMEMBERED = 120
"""Number of ticks for which a connection's total of written bytes is kept."""


class Backlogs:
    """The send queues of connections, checked at each tick.

    Only connections with queued bytes are checked. A transport reports how many bytes are queued,
    but not for how long. The age is estimated as follows. Each tick records the total of bytes
    written to the transport so far. This total minus the queued bytes is the position of the oldest
    queued byte. That byte was written before the first tick whose total exceeds this position. The
    time since that tick is a lower bound of the byte's age, accurate to one tick.
    """

    def __init__(self) -> None:
        self._notes: dict[Meter, deque[tuple[float, int]]] = {}
        self._slow: set[Meter] = set()
        self._untold: dict[Meter, None] = {}

    @property
    def slow(self) -> int:
        """Number of slow connections, without those measured at the client's end."""
        return sum(meter.role == "server" for meter in self._slow)

    def look(self, candidates: Iterable[Meter], now: float) -> tuple[list[Meter], list[Meter]]:
        """Check the send queues, and update ``send_queue`` and ``queue_age`` of the Meters.

        Args:
            candidates: Meters of the connections with traffic since the last check.
            now: monotonic seconds.

        Returns:
            Meters of the connections that have become slow, and of those that no longer are.
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
        """Return the connections whose dropped messages are to be reported now.

        A connection is reported at most once every :data:`DROPPED_SECONDS`, and when it ends.

        Args:
            candidates: Meters of the connections with traffic since the last check.
            now: monotonic seconds.

        Returns:
            Meter and number of messages dropped since the connection's last report.
        """
        for meter in candidates:
            if meter.dropped:
                self._untold[meter] = None
        found = []
        for meter in list(self._untold):
            count, when = meter.drops_said or (0, -DROPPED_SECONDS)
            lost = meter.dropped - count
            # A connection that has ended is reported now, since there is no later report.
            if not lost or meter.closed is not None or now - when >= DROPPED_SECONDS:
                del self._untold[meter]
                if lost:
                    meter.drops_said = (meter.dropped, now)
                    found.append((meter, lost))
        return found

    def is_slow(self, meter: Meter) -> bool:
        """Return True if the connection was slow at the last check."""
        return meter in self._slow

    def forget(self, meter: Meter) -> None:
        """Stop checking a connection, which has ended."""
        self._notes.pop(meter, None)
        self._slow.discard(meter)

    def oldest(self) -> float:
        """Return the age in seconds of the oldest byte queued by the server; 0.0 if none is.

        Connections that are measured at the client's end are excluded.
        """
        ages = [meter.queue_age or 0.0 for meter in self._notes if meter.role == "server"]
        return max(ages, default=0.0)

    def waiting(self) -> int:
        """Return the number of bytes queued for all of the server's connections."""
        return sum(meter.send_queue for meter in self._notes if meter.role == "server")
