"""The lowest and highest values within the points of a series. Pure.

They are computed from all finer points that a source still has: a mean over ten ticks lies between
the lowest and the highest of them, so points of all resolutions are treated alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from ..metrics.columns import SAMPLE
from ..metrics.records import Sample
from .queries import EXTREME_COLUMNS, Extremes

__all__ = ["COUNTERS", "Spread", "extreme_columns", "extremes", "spreads"]

COUNTERS = frozenset(column.name for column in SAMPLE if column.kind == "counter")
"""Columns whose extremes are per second."""

Bucket = tuple[str, int]
"""An epoch, and the number of a point in it: of 10 ticks, 1 to 10 are in bucket 0."""

Spread = tuple[float | None, float | None]
"""A lowest and a highest value; None where none is known."""


def extreme_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that have extremes."""
    return tuple(name for name in columns if name in EXTREME_COLUMNS)


def spreads(
    samples: Iterable[Sample], level: int, columns: Sequence[str]
) -> dict[Bucket, list[Spread]]:
    """Return the lowest and highest value of each column within each bucket.

    Args:
        samples: Samples of one or several ticks, in any order.
        level: ticks of a bucket.
        columns: some of :data:`rtmon.feeds.queries.EXTREME_COLUMNS`.
    """
    read = attrgetter("elapsed", *columns)
    rows: dict[Bucket, list[Sequence[Any]]] = {}
    for sample in samples:
        bucket = sample.epoch, (sample.seq - 1) // level
        rows.setdefault(bucket, []).append(read(sample))
    found = {}
    for bucket, within in rows.items():
        elapsed, *table = zip(*within, strict=True)
        found[bucket] = [
            _spread(values, elapsed if name in COUNTERS else None)
            for name, values in zip(columns, table, strict=True)
        ]
    return found


def _spread(values: Sequence[float | None], elapsed: Sequence[float] | None) -> Spread:
    """Return the lowest and the highest value, per second if the seconds of each are given."""
    if not any(values):  # most values of most columns are 0
        return (None, None) if values.count(None) == len(values) else (0, 0)
    if elapsed is None:
        known = [value for value in values if value is not None]
    else:
        pairs = zip(values, elapsed, strict=True)
        known = [value / over for value, over in pairs if value is not None and over > 0]
    return (min(known), max(known)) if known else (None, None)


def extremes(
    level: int,
    columns: Sequence[str],
    points: Iterable[tuple[str, int]],
    found: Mapping[Bucket, Sequence[Spread]],
) -> dict[str, Extremes]:
    """Return the extremes of each column, point by point.

    Args:
        level: ticks of a point.
        columns: the columns.
        points: of each point its epoch, and the number of the last tick in it.
        found: for each bucket the spreads of the columns.
    """
    nothing: Sequence[Spread] = [(None, None)] * len(columns)
    rows = [found.get((epoch, (seq - 1) // level), nothing) for epoch, seq in points]
    return {
        name: ([row[at][0] for row in rows], [row[at][1] for row in rows])
        for at, name in enumerate(columns)
    }
