"""Data of latency heatmaps: how many durations fall into each time range and duration range."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..metrics.histogram import MICROSECOND, Histogram, bucket_bounds
from ..metrics.records import Sample

__all__ = ["BOUNDS", "HISTOGRAMS", "heat_columns"]

HISTOGRAMS = ("rtt", "handler", "fanout")
"""Histograms of a Sample that have a heatmap."""

_MERGED = 4
"""Number of histogram buckets merged into one row, so that a power of two has four rows."""

_FIRST = 16 // _MERGED
"""Index of the lowest row, in units of ``_MERGED`` buckets; shorter durations count there."""

_ROWS = 90

BOUNDS: tuple[float, ...] = tuple(
    bucket_bounds((_FIRST + row) * _MERGED)[0] * MICROSECOND for row in range(_ROWS + 1)
)
"""Bounds of the heatmap's rows in seconds, ascending. Durations below the first bound count in the
first row, durations above the last bound in the last row."""


def heat_columns(samples: Sequence[Sample], step: int) -> dict[str, Any]:
    """Return the heatmaps' columns, each of which covers a number of consecutive ticks.

    Args:
        samples: Samples of one epoch, oldest first.
        step: ticks in a column. Columns are aligned to tick numbers, as in a feed's series: with a
            step of 10, ticks 1 to 10 share a column.

    Returns:
        A dict for JSON with these keys:

        * ``step``: the argument.
        * ``seq`` and ``time``: number of each column's last tick, and its time in milliseconds.
        * each of :data:`HISTOGRAMS`: a list with one item for each column. The item is a flat list
          of row, count, row, count and so on, or None if nothing was measured.
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
