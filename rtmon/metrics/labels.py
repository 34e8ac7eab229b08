"""Durations by a label that outsiders choose, such as a path: bounded, and without extra cost.

Whoever records adds to the recorder of its label, which is chosen once, where it would have added
to one for all: the hot path does the same. Their sum is what a Sample holds.

Cost: a recorder and two histograms for each label, at most :data:`.columns.LABELS` of them and
``other``: 200 KB at most for each measure.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from .columns import LABELS
from .histogram import Histogram, HistogramRecorder
from .records import Latency

__all__ = ["RECENT_TICKS", "LabelledDurations"]

OTHER = "other"
"""The label of all that come after the first :data:`.columns.LABELS`."""

RECENT_TICKS = 60
"""Ticks whose durations :meth:`LabelledDurations.rows` tells of: the last minute."""


class LabelledDurations:
    """A recorder of durations for each label, and the histogram of all of them.

    It can stand wherever a :class:`HistogramRecorder` does.

    Args:
        measure: what is measured: ``rtt``, ``handler`` or ``delivery``.
        by: what the labels are: ``path``, ``room`` or ``type``.

    Attributes:
        unlabelled: the recorder of durations whose label is not known.
    """

    def __init__(self, measure: str, by: str) -> None:
        self.measure = measure
        self.by = by
        self.unlabelled = HistogramRecorder()
        self.resolution = self.unlabelled.resolution
        self._recorders: dict[str, HistogramRecorder] = {}
        self._recent: dict[str, deque[Histogram]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def recorder(self, label: str | None) -> HistogramRecorder:
        """Return the recorder of a label."""
        if label is None:
            return self.unlabelled
        found = self._recorders.get(label)
        if found is None:
            if len(self._recorders) >= LABELS and label != OTHER:
                return self.recorder(OTHER)
            with self._lock:
                found = self._recorders[label] = HistogramRecorder()
                self._recent[label] = deque(maxlen=RECENT_TICKS)
            if self._stopped:
                found.stop()
        return found

    def record(self, value: float) -> None:
        """Add a duration whose label is not known, in seconds."""
        self.unlabelled.record(value)

    @property
    def steps(self) -> bool:
        """True if anything was recorded since the last :meth:`take`."""
        return any(each.steps for each in (self.unlabelled, *self._recorders.values()))

    def take(self) -> Histogram:
        """Return the histogram of all since the last call; called once a tick."""
        parts = [self.unlabelled.take()]
        for label, recorder in self._recorders.items():
            parts.append(taken := recorder.take())
            self._recent[label].append(taken)
        return Histogram.merged(parts)

    def peek(self) -> Histogram:
        """Return the histogram of all since the last :meth:`take`, which stays."""
        recorders = (self.unlabelled, *self._recorders.values())
        return Histogram.merged([recorder.peek() for recorder in recorders])

    def stop(self) -> None:
        """Forget everything, also what is recorded from now on."""
        self._stopped = True
        for recorder in (self.unlabelled, *self._recorders.values()):
            recorder.stop()

    def rows(self) -> Iterator[Latency]:
        """Yield the percentiles of each label in the last minute; on any thread."""
        with self._lock:
            recent = {label: list(histograms) for label, histograms in self._recent.items()}
        for label, histograms in recent.items():
            merged = Histogram.merged(histograms)
            if merged.count:
                yield Latency(
                    measure=self.measure,
                    by=self.by,
                    label=label,
                    count=merged.count,
                    p50=merged.quantile(0.5),
                    p95=merged.quantile(0.95),
                    p99=merged.quantile(0.99),
                )
