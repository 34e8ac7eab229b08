"""Durations by a label that outsiders choose, such as a path: bounded, and without extra cost.

Whoever records adds to the recorder of its label, which is chosen once, where it would have added
to one for all: the hot path does the same. Their sum is what a Sample holds.

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
"""The label of all that come after the first :data:`.columns.LABELS`."""

RECENT_TICKS = 60
"""Ticks whose durations the table ``latencies`` tells of: the last minute."""

LabelKey = tuple[str, str, str]
"""What was measured, what the label is of, and the label: ``("rtt", "path", "/chat")``."""

Labels = Mapping[LabelKey, Histogram]
"""What each label took in a tick, or in several; labels without values are left out."""


def merge_labels(ticks: Iterable[Labels]) -> dict[LabelKey, Histogram]:
    """Merge what each label took in several ticks."""
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

    It can stand wherever a :class:`HistogramRecorder` does.

    Args:
        measure: what is measured: ``rtt``, ``handler`` or ``delivery``.
        by: what the labels are: ``path``, ``room`` or ``type``.

    Attributes:
        unlabelled: the recorder of durations whose label is not known.
        taken: what each label took in the last tick.
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
        """Add a duration whose label is not known, in seconds."""
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
        """Return the histogram of all since the last :meth:`take`, which stays."""
        recorders = (self.unlabelled, *self._recorders.values())
        return Histogram.merged([recorder.peek() for recorder in recorders])

    def stop(self) -> None:
        """Forget everything, also what is recorded from now on."""
        self._stopped = True
        for recorder in (self.unlabelled, *self._recorders.values()):
            recorder.stop()
