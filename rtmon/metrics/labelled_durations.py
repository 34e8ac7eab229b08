"""Histograms of durations by label, such as the round-trip times by path.

A probe looks up the recorder of a connection's label once. Adding a duration then costs the same
as without labels. A Sample has one histogram with the durations of all labels.

Clients can choose labels, so their number is limited to :data:`.columns.LABELS`. The durations of
further labels are added to the label ``other``. A label takes a recorder and two histograms, at
most 200 KB for all labels of a measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .columns import LABELS
from .histogram import Histogram, HistogramRecorder
from .records import Latency
from .safe_text import safe_text

__all__ = ["RECENT_TICKS", "LabelKey", "LabelledDurations", "Labels", "latencies", "merge_labels"]

OTHER = "other"
"""The label that collects the durations of all labels after the first :data:`.columns.LABELS`."""

RECENT_TICKS = 60
"""Number of ticks that the table ``latencies`` covers: one minute, at one tick per second."""

LabelKey = tuple[str, str, str]
"""Measure, kind of label, and label, such as ``("rtt", "path", "/chat")``."""

Labels = Mapping[LabelKey, Histogram]
"""Label → histogram over one or several ticks. Labels without values are omitted."""


def merge_labels(ticks: Iterable[Labels]) -> dict[LabelKey, Histogram]:
    """Merge several ticks into one histogram for each label, sorted by label."""
    found: dict[LabelKey, list[Histogram]] = {}
    for labels in ticks:
        for key, histogram in labels.items():
            found.setdefault(key, []).append(histogram)
    return {key: Histogram.merged(parts) for key, parts in sorted(found.items())}


def latencies(ticks: Iterable[Labels]) -> list[Latency]:
    """Return the rows of the table ``latencies``: percentiles of each label over several ticks."""
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
    """Recorders of durations, one for each label.

    The methods of a :class:`HistogramRecorder` are available, and work on all labels together.

    Args:
        measure: name of the measured duration: ``rtt``, ``handler`` or ``delivery``.
        by: kind of the labels: ``path``, ``room`` or ``type``.

    Attributes:
        unlabelled: recorder of durations whose label is unknown.
        taken: label → histogram, as of the last :meth:`take`.
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
        """Return the recorder of a label; :attr:`unlabelled` if the label is None."""
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
        """Add a duration in seconds whose label is unknown."""
        self.unlabelled.record(value)

    @property
    def steps(self) -> bool:
        """True if a duration was recorded since the last :meth:`take`."""
        return any(each.steps for each in (self.unlabelled, *self._recorders.values()))

    def take(self) -> Histogram:
        """Return the histogram of all labels since the last call, and reset. Called every tick."""
        taken = {label: recorder.take() for label, recorder in self._recorders.items()}
        self.taken = {
            (self.measure, self.by, label): each for label, each in taken.items() if each.counts
        }
        return Histogram.merged([self.unlabelled.take(), *self.taken.values()])

    def peek(self) -> Histogram:
        """Return the histogram of all labels since the last :meth:`take`, without a reset."""
        recorders = (self.unlabelled, *self._recorders.values())
        return Histogram.merged([recorder.peek() for recorder in recorders])

    def stop(self) -> None:
        """Discard all durations, also those that are recorded after this call."""
        self._stopped = True
        for recorder in (self.unlabelled, *self._recorders.values()):
            recorder.stop()
