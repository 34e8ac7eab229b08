"""Points of the charts over any range of time, from a feed's series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..feeds.feed import Feed
from ..feeds.queries import SeriesAnswer, SeriesQuery
from .server_charts import SERIES

__all__ = ["points_of_range"]

_COLUMNS = tuple(dict.fromkeys(series.column for series in SERIES))


async def points_of_range(
    feed: Feed, *, since: float | None, until: float | None, points: int
) -> Mapping[str, Any]:
    """Return the points of all charts over a range, column by column.

    Args:
        feed: where they come from.
        since: begin of the range, Unix seconds; None for all there is.
        until: its end; None for now.
        points: how many are wanted at most.

    Returns:
        ``level``, ticks for each point; ``points``, as :class:`rtmon.views.tick_update.Frame` has
        them; ``bands``, key of a series → its lowest and highest values within each point, where
        they differ; ``gaps``, stretches without numbers in milliseconds, with their reason;
        ``since``, the time of the oldest numbers that the feed has.

    Raises:
        QueryError: the range is wrong.
        FeedError: the source did not answer.
    """
    query = SeriesQuery(columns=_COLUMNS, since=since, until=until, points=points, extremes=True)
    answer = await feed.query(query)
    return {
        "level": answer.level,
        "points": _points(answer),
        "bands": _bands(answer),
        "gaps": [[round(g.since * 1e3), round(g.until * 1e3), g.reason] for g in answer.gaps],
        "since": feed.capabilities.since,
    }


def _points(answer: SeriesAnswer) -> list[list[float | None]]:
    found: list[list[float | None]] = [
        list(answer.seqs),
        [round(time * 1e3) for time in answer.times],
    ]
    for series in SERIES:
        values = []
        for value, elapsed in zip(answer.columns[series.column], answer.elapsed, strict=True):
            values.append(_rounded(series.of_column(value, elapsed)))
        found.append(values)
    return found


def _bands(answer: SeriesAnswer) -> dict[str, tuple[list[float | None], ...]]:
    """Return the lowest and highest values of the series that vary within points."""
    bands = {}
    for series in SERIES:
        lows, highs = answer.extremes.get(series.column, ((), ()))
        if lows != highs:
            bands[series.key] = tuple(
                [_rounded(None if value is None else value * series.factor) for value in values]
                for values in (lows, highs)
            )
    return bands


def _rounded(value: float | None) -> float | None:
    """Keep the digits that can be seen."""
    return None if value is None else float(f"{value:.5g}")
