"""Points of the charts over any range of time, from a feed's series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..feeds.feed import Feed
from ..feeds.queries import SeriesAnswer, SeriesQuery
from .charts import SERIES

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
        ``level``, ticks for each point; ``points``, as :class:`rtmon.views.frames.Frame` has
        them; ``gaps``, stretches without numbers in milliseconds, with their reason; ``since``,
        the time of the oldest numbers that the feed has.

    Raises:
        QueryError: the range is wrong.
        FeedError: the source did not answer.
    """
    query = SeriesQuery(columns=_COLUMNS, since=since, until=until, points=points)
    answer = await feed.query(query)
    return {
        "level": answer.level,
        "points": _points(answer),
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
            point = series.of_column(value, elapsed)
            values.append(None if point is None else float(f"{point:.5g}"))
        found.append(values)
    return found
