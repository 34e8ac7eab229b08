"""Queries whose answers must be equal from a server, its remote feed and its recordings."""

from __future__ import annotations

from rtmon.feeds.queries import (
    GROUP_KEYS,
    LEVELS,
    MOST_ROWS,
    GroupQuery,
    Query,
    RowsQuery,
    SeriesQuery,
)

__all__ = ["ASKED", "QUESTIONS"]

QUESTIONS: dict[str, Query] = {
    **{f"series of {level}": SeriesQuery(level=level) for level in LEVELS},
    "connections": RowsQuery(sort="opened", descending=False, limit=MOST_ROWS),
    # Sort keys are unique, since sources may order rows with equal keys differently.
    "closed": RowsQuery(where="state:closed", sort="closed", limit=MOST_ROWS),
    "events": RowsQuery(table="events", sort="seq", descending=False, limit=MOST_ROWS),
    "channels": RowsQuery(table="channels", sort="channel", descending=False),
    **{f"by {key}": GroupQuery(by=key) for key in GROUP_KEYS},
}
"""Queries that every source answers, also after the server has ended."""

ASKED: dict[str, Query] = {
    "latencies": RowsQuery(table="latencies", limit=MOST_ROWS),
    "addresses": RowsQuery(table="addresses", limit=MOST_ROWS),
}
"""Queries that only the server itself and its recordings answer."""
