"""When something is due, and what was counted since the last look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ...metrics.histogram import Histogram, HistogramRecorder

__all__ = ["Rates", "Schedule"]


class Schedule:
    """When something is due that happens so often a second, at a rate that may change.

    What is late is made up for, up to a second's worth, so that the rate holds.
    """

    def __init__(self, now: float) -> None:
        self._next = now

    def due(self, rate: float, now: float) -> list[float]:
        """The moments that have come since the last call, oldest first."""
        if rate <= 0:
            self._next = now
            return []
        step = 1 / rate
        self._next = max(min(self._next, now + step), now - 1.0)
        moments = []
        while self._next <= now:
            moments.append(self._next)
            self._next += step
        return moments

    def wait(self, now: float, *, at_most: float) -> float:
        """Seconds until the next moment."""
        return min(max(0.0, self._next - now), at_most)


class Rates:
    """Counts and delays since the last look, as numbers a second and quantiles."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._delays: dict[str, HistogramRecorder] = {}

    def count(self, what: str, by: float = 1.0) -> None:
        """Count something."""
        self._counts[what] = self._counts.get(what, 0.0) + by

    def delay(self, what: str, seconds: float) -> None:
        """Record a delay."""
        self._delays.setdefault(what, HistogramRecorder()).record(seconds)

    def arrived(self, dues: Iterable[float], now: float, *, count: str, delay: str) -> None:
        """Count what has come, and record how long after it was due.

        Args:
            dues: when each was due.
            now: when it came.
            count: what to count.
            delay: what to record.
        """
        for due in dues:
            self.count(count)
            self.delay(delay, max(0.0, now - due))

    def take(self, elapsed: float) -> tuple[Callable[[str], float], Callable[[str, float], float]]:
        """What was counted, as functions: of a count its rate, of a delay its quantile in ms.

        Args:
            elapsed: seconds since the last call.
        """
        counts, self._counts = self._counts, {}
        delays = {what: recorder.take() for what, recorder in self._delays.items()}

        def rate(what: str) -> float:
            return counts.get(what, 0.0) / elapsed

        def quantile(what: str, q: float) -> float:
            value = delays.get(what, Histogram.empty()).quantile(q)
            return math.nan if value is None else value * 1e3

        return rate, quantile
