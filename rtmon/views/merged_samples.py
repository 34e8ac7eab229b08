"""Compute rates, ratios and quantiles over several consecutive Samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..metrics.histogram import Histogram
from ..metrics.records import Sample

__all__ = ["WINDOWS", "MergedSamples", "latest"]

WINDOWS: Mapping[int, str] = {60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h"}
"""Time ranges that the charts of a live view can show: seconds → label."""


class MergedSamples:
    """Computes values over consecutive Samples of one epoch.

    A method returns None if its value is unknown in all of the Samples.

    Args:
        samples: the Samples, oldest first.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._merged: dict[str, Histogram] = {}

    def total(self, counter: str) -> tuple[int, float] | None:
        """Return a pair: the increase of a counter, and the seconds in which it was measured."""
        known = [
            (value, sample.elapsed)
            for sample in self._samples
            if (value := getattr(sample, counter)) is not None
        ]
        if not known:
            return None
        return sum(value for value, _ in known), sum(elapsed for _, elapsed in known)

    def rate(self, counter: str) -> float | None:
        """Return the increase of a counter per second. Seconds are those of the monotonic clock."""
        total = self.total(counter)
        return None if total is None or total[1] <= 0 else total[0] / total[1]

    def ratio(self, counter: str, to: str) -> float | None:
        """Return the increase of ``counter`` divided by the increase of ``to``.

        The result is None if ``to`` did not increase.
        """
        gained, others = self.total(counter), self.total(to)
        return gained[0] / others[0] if gained and others and others[0] else None

    def quantile(self, histogram: str, q: float) -> float | None:
        """Return the quantile ``q`` of a histogram, merged over all Samples.

        The histograms are merged first, because a mean of the Samples' quantiles would be wrong.
        """
        if histogram not in self._merged:
            parts = [getattr(sample, histogram) for sample in self._samples]
            self._merged[histogram] = Histogram.merged(parts)
        return self._merged[histogram].quantile(q)

    def highest(self, gauge: str) -> float | None:
        """Return the highest value that a gauge has in any of the Samples."""
        values = [getattr(sample, gauge) for sample in self._samples]
        return max((value for value in values if value is not None), default=None)


def latest(samples: Sequence[Sample], seconds: float, *, skip: float = 0.0) -> list[Sample]:
    """Return the Samples of a time range of ``seconds``, oldest first.

    The range ends ``skip`` seconds before the last Sample.
    """
    kept: list[Sample] = []
    age = 0.0
    for sample in reversed(samples):
        if age >= skip + seconds - 1e-9:
            break
        if age >= skip - 1e-9:
            kept.append(sample)
        age += sample.elapsed
    return kept[::-1]
