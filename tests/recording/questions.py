"""What is asked of a server, its remote feed and its recordings, to compare the answers."""

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

__all__ = ["QUESTIONS"]

QUESTIONS: dict[str, Query] = {
    **{f"series of {level}": SeriesQuery(level=level) for level in LEVELS},
    "connections": RowsQuery(sort="opened", descending=False, limit=MOST_ROWS),
    "closed": RowsQuery(where="state:closed", sort="messages_in", limit=MOST_ROWS),
    "events": RowsQuery(table="events", sort="seq", descending=False, limit=MOST_ROWS),
    "channels": RowsQuery(table="channels", sort="channel", descending=False),
    **{f"by {key}": GroupQuery(by=key) for key in GROUP_KEYS},
}
