"""Minimum and maximum values within the points of a series, for charts.

The minimum and maximum are computed from all points of finer resolution that a source still has.
Points of one tick and points of ten ticks can be mixed. The value of a point of ten ticks is a
mean. A mean lies between the minimum and the maximum of its ticks, so the result is never too wide.
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
"""Columns whose minimum and maximum are given per second."""

Bucket = tuple[str, int]
"""An epoch, and the index of a point in the epoch. With 10 ticks in each point, index 0 stands for
the ticks 1 to 10."""

Spread = tuple[float | None, float | None]
"""Minimum and maximum; both None if no value is known."""


def extreme_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``columns`` for which the minimum and maximum in a point can be computed."""
    return tuple(name for name in columns if name in EXTREME_COLUMNS)


def spreads(
    samples: Iterable[Sample], level: int, columns: Sequence[str]
) -> dict[Bucket, list[Spread]]:
    """Return the minimum and maximum of each column within each point of a coarser series.

    Args:
        samples: Samples of one or several ticks, in any order.
        level: number of ticks in each point of the coarser series.
        columns: some of :data:`rtmon.feeds.queries.EXTREME_COLUMNS`.

    Returns:
        Bucket → one ``(minimum, maximum)`` for each of ``columns``, in their order.
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
    """Return the minimum and maximum of values.

    If ``elapsed`` is given, each value is first divided by its duration in seconds.
    """
    if not any(values):  # a fast path, since most values of most columns are 0
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
    """Return, for each column, the list of minima and the list of maxima of a series' points.

    Args:
        level: number of ticks in each point.
        columns: names of the columns.
        points: for each point, its epoch and the number of its last tick.
        found: result of :func:`spreads`, with the same level and columns.
    """
    nothing: Sequence[Spread] = [(None, None)] * len(columns)
    rows = [found.get((epoch, (seq - 1) // level), nothing) for epoch, seq in points]
    return {
        name: ([row[at][0] for row in rows], [row[at][1] for row in rows])
        for at, name in enumerate(columns)
    }
