"""The points of all charts, computed from Samples one by one."""

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
"""Points kept: an hour of seconds, what a feed keeps."""

_PLACES = {series.key: place for place, series in enumerate(s for c in CHARTS for s in c.series)}
COLUMNS = ("seq", "time", *_PLACES)
"""What a point is made of: the number of its Sample, milliseconds since 1970 as browsers count,
and the value of each series."""

_LONGEST = max(chart.window for chart in CHARTS)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Point:
    """One moment on all charts; ``point["rtt_p95"]`` is the value of a series.

    What is not known is NaN, which a chart leaves blank.
    """

    seq: int
    time: float
    values: tuple[float, ...]

    def __getitem__(self, key: str) -> float:
        return self.values[_PLACES[key]]


class Timeline:
    """The points of one epoch, oldest first."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq = 0
        self.points: deque[Point] = deque(maxlen=HISTORY)
        self._recent: deque[Sample] = deque()
        self._age = 0.0

    def follow(self, epoch: str | None, seq: int | None = None) -> bool:
        """Begin anew if the epoch is another than before, or time has moved back.

        Args:
            epoch: the epoch of the newest Sample.
            seq: its number; None if time does not move back.

        Returns:
            True if it begins anew.
        """
        if epoch == self.epoch and (seq is None or seq >= self.seq):
            return False
        self.epoch, self.seq, self._age = epoch, 0, 0.0
        self.points.clear()
        self._recent.clear()
        return True

    def extend(self, samples: Iterable[Sample]) -> list[Point]:
        """Add the points of Samples that are newer than what is known; return them."""
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
    """Turn points into a list of values for each of :data:`COLUMNS`."""
    rows = [(point.seq, point.time, *point.values) for point in points]
    return {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
