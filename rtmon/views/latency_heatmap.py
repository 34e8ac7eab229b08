"""Latency heatmaps: counts over time, in rows of a log scale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..metrics.histogram import MICROSECOND, Histogram, bucket_bounds
from ..metrics.records import Sample

__all__ = ["BOUNDS", "HISTOGRAMS", "heat_columns"]

HISTOGRAMS = ("rtt", "handler", "fanout")
"""Histograms of a Sample that are drawn."""

_MERGED = 4
"""Number of histogram buckets in one row: four rows for each power of two."""

_FIRST = 16 // _MERGED
"""The lowest row, which includes all faster ones."""

_ROWS = 90

BOUNDS: tuple[float, ...] = tuple(
    bucket_bounds((_FIRST + row) * _MERGED)[0] * MICROSECOND for row in range(_ROWS + 1)
)
"""Bounds of the rows in seconds, rising; the first row includes everything faster, the last
everything slower."""


def heat_columns(samples: Sequence[Sample], step: int) -> dict[str, Any]:
    """Return the columns of heatmaps.

    Args:
        samples: of one epoch, oldest first.
        step: ticks in a column: those whose numbers divide alike, as in a feed's series.

    Returns:
        ``step``; for each column ``seq`` and ``time``, milliseconds, of its last tick; and for
        each of :data:`HISTOGRAMS` its counts, row, count, row, count and so on; null where
        nothing was measured.
    """
    columns: list[list[Sample]] = [
        list(group) for _, group in groupby(samples, lambda sample: (sample.seq - 1) // step)
    ]
    return {
        "step": step,
        "seq": [column[-1].seq for column in columns],
        "time": [round(column[-1].time * 1e3) for column in columns],
        **{name: [_counts(column, name) for column in columns] for name in HISTOGRAMS},
    }


def _counts(column: Sequence[Sample], name: str) -> list[int] | None:
    histograms: list[Histogram] = [
        histogram for sample in column if (histogram := getattr(sample, name)) is not None
    ]
    if not histograms:
        return None
    counts: dict[int, int] = {}
    for histogram in histograms:
        for index, count in histogram.counts.items():
            row = min(max(index // _MERGED - _FIRST, 0), _ROWS - 1)
            counts[row] = counts.get(row, 0) + count
    return [number for row in sorted(counts) for number in (row, counts[row])]
