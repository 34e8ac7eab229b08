"""Durations by a label that clients can choose, such as a path: bounded, without extra cost.

A caller looks up the recorder of its label once, then adds to it as to a single recorder: the hot
path is the same. A Sample has the sum of all labels.

Cost: a recorder and two histograms for each label, at most :data:`.columns.LABELS` of them and
``other``: 200 KB at most for each measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .columns import LABELS
from .histogram import Histogram, HistogramRecorder
from .records import Latency
from .safe_text import safe_text

__all__ = ["RECENT_TICKS", "LabelKey", "LabelledDurations", "Labels", "latencies", "merge_labels"]

OTHER = "other"
"""The label of everything beyond the first :data:`.columns.LABELS` labels."""

RECENT_TICKS = 60
"""Number of ticks in the table ``latencies``: the last minute."""

LabelKey = tuple[str, str, str]
"""Measure, kind of label, and label: ``("rtt", "path", "/chat")``."""

Labels = Mapping[LabelKey, Histogram]
"""Histogram of each label in one or several ticks; labels without values are left out."""


def merge_labels(ticks: Iterable[Labels]) -> dict[LabelKey, Histogram]:
    """Merge the histograms of each label over several ticks."""
    found: dict[LabelKey, list[Histogram]] = {}
    for labels in ticks:
        for key, histogram in labels.items():
            found.setdefault(key, []).append(histogram)
    return {key: Histogram.merged(parts) for key, parts in sorted(found.items())}


def latencies(ticks: Iterable[Labels]) -> list[Latency]:
    """Return the percentiles of each label over several ticks, in the order of the labels."""
    return [
        Latency(
            measure=measure,
            by=by,
            label=label,
            count=merged.count,
            p50=merged.quantile(0.5),
            p95=merged.quantile(0.95),
            p99=merged.quantile(0.99),
        )
        for (measure, by, label), merged in merge_labels(ticks).items()
    ]


class LabelledDurations:
    """A recorder of durations for each label, and the histogram of all of them.

    It can replace a :class:`HistogramRecorder`.

    Args:
        measure: what is measured: ``rtt``, ``handler`` or ``delivery``.
        by: what the labels are: ``path``, ``room`` or ``type``.

    Attributes:
        unlabelled: the recorder of durations without a known label.
        taken: the histogram of each label in the last tick.
    """

    def __init__(self, measure: str, by: str) -> None:
        self.measure = measure
        self.by = by
        self.unlabelled = HistogramRecorder()
        self.resolution = self.unlabelled.resolution
        self._recorders: dict[str, HistogramRecorder] = {}
        self.taken: Labels = {}
        self._stopped = False

    def recorder(self, label: str | None) -> HistogramRecorder:
        """Return the recorder of a label."""
        if label is None:
            return self.unlabelled
        found = self._recorders.get(label)
        return self._new(safe_text(label) or "") if found is None else found

    def _new(self, label: str) -> HistogramRecorder:
        if len(self._recorders) >= LABELS:
            label = OTHER
        found = self._recorders.get(label)
        if found is None:
            found = self._recorders[label] = HistogramRecorder()
            if self._stopped:
                found.stop()
        return found

    def record(self, value: float) -> None:
        """Add a duration in seconds without a known label."""
        self.unlabelled.record(value)

    @property
    def steps(self) -> bool:
        """True if anything was recorded since the last :meth:`take`."""
        return any(each.steps for each in (self.unlabelled, *self._recorders.values()))

    def take(self) -> Histogram:
        """Return the histogram of all since the last call; called once a tick."""
        taken = {label: recorder.take() for label, recorder in self._recorders.items()}
        self.taken = {
            (self.measure, self.by, label): each for label, each in taken.items() if each.counts
        }
        return Histogram.merged([self.unlabelled.take(), *self.taken.values()])

    def peek(self) -> Histogram:
        """Return the histogram of all since the last :meth:`take`, without a reset."""
        recorders = (self.unlabelled, *self._recorders.values())
        return Histogram.merged([recorder.peek() for recorder in recorders])

    def stop(self) -> None:
        """Discard all values, including those still to be recorded."""
        self._stopped = True
        for recorder in (self.unlabelled, *self._recorders.values()):
            recorder.stop()
