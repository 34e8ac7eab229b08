"""Answer queries for time series of the samples table, in one of three resolutions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..errors import QueryError
from ..metrics.history import History, merge
from ..metrics.records import Sample
from .queries import (
    LEVELS,
    MOST_ROWS,
    SERIES_COLUMNS,
    Extremes,
    Gap,
    SeriesAnswer,
    SeriesQuery,
    Source,
)
from .series_extremes import extreme_columns, extremes, spreads

__all__ = ["SeriesPoint", "answer", "check", "choose_level", "from_histories", "gaps"]

RESTARTED = "the server restarted"
MISSED = "no numbers were received"


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One point of a series: a Sample of one tick, or of several consecutive ticks merged.

    Attributes:
        sample: the Sample, with the ``seq`` and ``time`` of the last tick in the point.
        ticks: number of ticks in the point.
    """

    sample: Sample
    ticks: int


def check(query: SeriesQuery) -> tuple[str, ...]:
    """Validate a query, and return the columns that it requests.

    Raises:
        QueryError: a column, the level or the number of points is invalid.
    """
    unknown = [name for name in query.columns if name not in SERIES_COLUMNS]
    if unknown:
        known = ", ".join(SERIES_COLUMNS)
        raise QueryError(f"samples have no series {unknown[0]!r}; there are {known}")
    if query.level is not None and query.level not in LEVELS:
        raise QueryError(f"level={query.level!r}: series have points of 1, 10 or 60 ticks")
    if not 1 <= query.points <= MOST_ROWS:
        raise QueryError(f"points={query.points!r}: from 1 to {MOST_ROWS:,}")
    return query.columns or SERIES_COLUMNS


def choose_level(query: SeriesQuery, held: Mapping[int, tuple[float, int]]) -> int:
    """Choose the resolution of the answer to a query.

    If the query has a level, return this level. Otherwise return the finest level that meets two
    conditions. First, its points reach back to the start of the range, or at least as far as the
    points of all other levels. Second, it has at most ``query.points`` points in the range. If no
    level meets both conditions, return the coarsest level.

    Args:
        query: the query.
        held: level → time of its oldest point, and its number of points within the range.
    """
    if query.level is not None or not held:
        return query.level or LEVELS[0]
    oldest = min(first for first, _ in held.values())
    begin = oldest if query.since is None else max(query.since, oldest)
    for level, (first, count) in sorted(held.items()):
        # One missing point at the start of the range is no reason to use a coarser level.
        reaches = first <= begin + level
        if reaches and count <= query.points:
            return level
    return max(held)


def from_histories(
    query: SeriesQuery, source: Source, histories: Sequence[tuple[History, bool]]
) -> SeriesAnswer:
    """Answer a query from histories in memory.

    Args:
        query: the query.
        source: server and newest tick of the answer.
        histories: for each epoch, oldest first, a pair: the history of the epoch, and True if the
            epoch has ended. The last point of a running epoch is omitted until it has all of its
            ticks.

    Raises:
        QueryError: the query is invalid.
    """
    columns = check(query)
    if query.merge:
        return answer(source, 0, columns, _merged(query, histories))
    held = {}
    for level in LEVELS:
        times = [time for history, _ in histories for time in history.times(level)]
        if times:
            held[level] = (min(times), sum(_within(query, time) for time in times))
    level = choose_level(query, held)
    points = [
        SeriesPoint(sample, ticks)
        for history, ended in histories
        for sample, ticks in history.level(level, ended=ended)
        if _within(query, sample.time)
    ]
    found = answer(source, level, columns, points[-MOST_ROWS:])
    return replace(found, extremes=_extremes(query, found, columns, histories))


def _extremes(
    query: SeriesQuery,
    found: SeriesAnswer,
    columns: Sequence[str],
    histories: Sequence[tuple[History, bool]],
) -> Mapping[str, Extremes]:
    names = extreme_columns(columns)
    if not (query.extremes and found.level > 1 and len(found) and names):
        return {}
    begin = found.times[0] - found.elapsed[0]
    finer = (
        sample
        for history, ended in histories
        for level in LEVELS
        if level < found.level
        for sample, _ in history.level(level, ended=ended)
        if begin < sample.time <= found.times[-1]
    )
    points = zip(found.epochs, found.seqs, strict=True)
    return extremes(found.level, names, points, spreads(finer, found.level, names))


def _merged(query: SeriesQuery, histories: Sequence[tuple[History, bool]]) -> list[SeriesPoint]:
    """Merge all Samples in the query's range into one point.

    Merged Samples of ten ticks are used for the time before the oldest Sample of a single tick.
    """
    chosen: list[SeriesPoint] = []
    for history, _ in histories:
        fine = history.samples()
        begin = fine[0].seq if fine else 0
        tens = [SeriesPoint(*ten) for ten in history.level(10, ended=False) if ten[0].seq < begin]
        chosen += [*tens, *(SeriesPoint(sample, 1) for sample in fine)]
    chosen = [point for point in chosen if _within(query, point.sample.time)]
    if not chosen:
        return []
    return [SeriesPoint(merge([p.sample for p in chosen]), sum(p.ticks for p in chosen))]


def _within(query: SeriesQuery, time: float) -> bool:
    return (query.since is None or time >= query.since) and (
        query.until is None or time <= query.until
    )


def answer(
    source: Source, level: int, columns: Sequence[str], points: Sequence[SeriesPoint]
) -> SeriesAnswer:
    """Build the answer from its points: arrange them by column, and find the gaps between them."""
    samples = [point.sample for point in points]
    return SeriesAnswer(
        source=source,
        level=level,
        epochs=[sample.epoch for sample in samples],
        seqs=[sample.seq for sample in samples],
        times=[sample.time for sample in samples],
        elapsed=[sample.elapsed for sample in samples],
        ticks=[point.ticks for point in points],
        columns={name: [getattr(sample, name) for sample in samples] for name in columns},
        gaps=list(
            gaps(
                (s.epoch, s.seq, s.time, s.elapsed, p.ticks)
                for s, p in zip(samples, points, strict=True)
            )
        ),
    )


def gaps(points: Iterable[tuple[str, int, float, float, int]]) -> Iterable[Gap]:
    """Yield the gaps between consecutive points: server restarts and missing ticks.

    Args:
        points: epoch, seq, time, elapsed seconds and number of ticks of each point, oldest first.
    """
    for before, after in pairwise(points):
        begin = after[2] - after[3]
        if before[0] != after[0]:
            yield Gap(since=before[2], until=max(before[2], begin), reason=RESTARTED)
        elif before[1] < after[1] - after[4]:
            yield Gap(since=before[2], until=max(before[2], begin), reason=MISSED)
