"""Compute the points of the server charts from Samples, one point for each Sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..metrics.records import Sample
from .merged_samples import MergedSamples, latest
from .server_charts import CHARTS

__all__ = ["COLUMNS", "HISTORY", "Point", "Timeline", "columns"]

HISTORY = 3600
"""Maximum number of points that a Timeline keeps: an hour at one tick a second, as a feed does."""

_PLACES = {series.key: place for place, series in enumerate(s for c in CHARTS for s in c.series)}
COLUMNS = ("seq", "time", *_PLACES)
"""Columns of chart data: the number of the Sample, the time in milliseconds since 1970 as in
JavaScript, and one column for each series of the server charts."""

_LONGEST = max(chart.window for chart in CHARTS)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Point:
    """The values of all server charts at one tick; ``point["rtt_p95"]`` is the value of a series.

    Attributes:
        seq: the number of the tick's Sample.
        time: the tick's time in milliseconds since 1970.
        values: one value for each series; NaN if unknown, which is drawn as a gap.
    """

    seq: int
    time: float
    values: tuple[float, ...]

    def __getitem__(self, key: str) -> float:
        return self.values[_PLACES[key]]


class Timeline:
    """The chart points of one epoch of a server.

    Attributes:
        epoch: the epoch of the points; None before :meth:`follow` is called.
        seq: the number of the last Sample that has a point; 0 before the first.
        points: the latest points, oldest first; at most :data:`HISTORY`.
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq = 0
        self.points: deque[Point] = deque(maxlen=HISTORY)
        self._recent: deque[Sample] = deque()
        self._age = 0.0

    def follow(self, epoch: str | None, seq: int | None = None) -> bool:
        """Delete all points if the server was restarted, or a replay has moved back in time.

        Args:
            epoch: the epoch of the feed's newest Sample.
            seq: the number of that Sample; None for a live feed, which cannot move back in time.

        Returns:
            True if the points were deleted.
        """
        if epoch == self.epoch and (seq is None or seq >= self.seq):
            return False
        self.epoch, self.seq, self._age = epoch, 0, 0.0
        self.points.clear()
        self._recent.clear()
        return True

    def extend(self, samples: Iterable[Sample]) -> list[Point]:
        """Add a point for each Sample newer than the last point; return the added points."""
        fresh = [self._point(sample) for sample in samples if sample.seq > self.seq]
        self.points.extend(fresh)
        if fresh:
            self.seq = fresh[-1].seq
        return fresh

    def _point(self, sample: Sample) -> Point:
        self._recent.append(sample)
        self._age += sample.elapsed
        while len(self._recent) > 1 and self._age - self._recent[0].elapsed >= _LONGEST:
            self._age -= self._recent.popleft().elapsed
        spans = {0.0: MergedSamples((sample,)), _LONGEST: MergedSamples(list(self._recent))}
        values = []
        for chart in CHARTS:
            if chart.window not in spans:
                spans[chart.window] = MergedSamples(latest(self._recent, chart.window))
            span = spans[chart.window]
            values += [series.value(span) for series in chart.series]
        known = tuple([_NAN if value is None else value for value in values])
        return Point(sample.seq, sample.time * 1e3, known)


def columns(points: Sequence[Point]) -> dict[str, Any]:
    """Convert points to columns: name of each of :data:`COLUMNS` → list of values."""
    rows = [(point.seq, point.time, *point.values) for point in points]
    return {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
