"""Compute the points of the server charts for any time range, by querying a feed."""

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
    """Query a feed for the points of all server charts over a time range.

    Args:
        feed: the feed to query.
        since: start of the range, Unix seconds; None for the oldest data of the feed.
        until: end of the range, Unix seconds; None for now.
        points: maximum number of points.

    Returns:
        A dict for JSON with these keys:

        * ``level``: number of ticks merged into each point.
        * ``points``: one list of values for each of :data:`rtmon.views.chart_points.COLUMNS`.
        * ``bands``: key of a series → two lists, the lowest and the highest values within each
          point. A series whose lowest and highest values are all equal is omitted.
        * ``gaps``: time ranges without data: start and end in milliseconds, and the reason.
        * ``since``: the time of the oldest data that the feed has, Unix seconds.

    Raises:
        QueryError: the time range or the number of points is invalid.
        FeedError: the server did not answer.
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
    """Return the lowest and highest values within each point; omit series where they are equal."""
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
    """Round to five significant digits, which is enough for a chart and makes the JSON shorter."""
    return None if value is None else float(f"{value:.5g}")
