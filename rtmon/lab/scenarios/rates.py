"""Schedule calls at a rate, and compute rates and delay quantiles for a scenario's charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ...metrics.histogram import Histogram, HistogramRecorder

__all__ = ["Rates", "Schedule"]


class Schedule:
    """Computes the due times of calls at a rate per second that may change.

    Calls that are overdue by up to one second are still made, so that the average rate is kept.
    """

    def __init__(self, now: float) -> None:
        self._next = now

    def due(self, rate: float, now: float) -> list[float]:
        """Return the times that have become due since the last call, oldest first."""
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
        """Return the number of seconds until the next call is due, at most ``at_most``."""
        return min(max(0.0, self._next - now), at_most)


class Rates:
    """Collects counts and delays; :meth:`take` returns them as rates and quantiles."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._delays: dict[str, HistogramRecorder] = {}

    def count(self, what: str, by: float = 1.0) -> None:
        """Add ``by`` to the counter named ``what``."""
        self._counts[what] = self._counts.get(what, 0.0) + by

    def delay(self, what: str, seconds: float) -> None:
        """Record a delay in seconds under the name ``what``."""
        self._delays.setdefault(what, HistogramRecorder()).record(seconds)

    def arrived(self, dues: Iterable[float], now: float, *, count: str, delay: str) -> None:
        """Count received messages, and record their delays.

        Args:
            dues: due time of each message.
            now: time at which the messages were received.
            count: name of the counter.
            delay: name under which the delays are recorded.
        """
        for due in dues:
            self.count(count)
            self.delay(delay, max(0.0, now - due))

    def take(self, elapsed: float) -> tuple[Callable[[str], float], Callable[[str, float], float]]:
        """Reset all counters and delays, and return two functions that read the old values.

        The first function takes the name of a counter and returns its rate per second before the
        reset. The second takes the name of a delay and a quantile, and returns milliseconds.

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
