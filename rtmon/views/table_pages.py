"""Pages of the overview tables of connections, channels and events, as JSON for the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..feeds.feed import ConnectionQuery, Feed
from ..metrics.records import ChannelInfo, Event
from .number_format import exact
from .table_rows import CONNECTION_COLUMNS, Columns, channel_row, connection_row, event_row

__all__ = [
    "CHANNELS_SHOWN",
    "EVENTS_SHOWN",
    "FIRST_QUERY",
    "PAGE_SIZE",
    "STATES",
    "channels_page",
    "connection_query",
    "connections_page",
    "described",
    "events_page",
]

PAGE_SIZE = 10
"""Number of rows on one page of the connections table."""

EVENTS_SHOWN = 100
"""Maximum number of rows of the event log. A download contains all Events of the feed."""

CHANNELS_SHOWN = 100
"""Maximum number of rows of the channels table. A download contains all channels."""

_SORTABLE = frozenset(key for key, _, _ in CONNECTION_COLUMNS)
STATES: Sequence[tuple[str, str]] = (("open", "Open"), ("closed", "Closed"), ("", "All"))
"""Connection states by which a user can filter: value in the query, label."""

FIRST_QUERY: Mapping[str, Any] = {
    "sort": "-opened",
    "contains": "",
    "state": "open",
    "offset": 0,
}
"""The connections table's initial query: open connections, the newest first."""

_HOW_TO_CONNECT = (
    "Nothing has connected yet.\n"
    "Connections appear here as soon as a client opens your server's WebSocket port, such as\n"
    "python -m websockets ws://HOST:PORT"
)


def connection_query(asked: Mapping[str, Any]) -> ConnectionQuery:
    """Parse a query that the browser sent for the connections table.

    Invalid values are replaced by defaults, never rejected.

    Args:
        asked: the browser's query. ``sort`` is the key of a column, with a leading minus for
            descending order; ``state``, ``contains`` and ``offset`` are as in
            :data:`FIRST_QUERY`.
    """
    sort, state, contains = asked.get("sort"), asked.get("state"), asked.get("contains")
    offset = asked.get("offset")
    key = sort.removeprefix("-") if isinstance(sort, str) else ""
    return ConnectionQuery(
        state=state if state in ("open", "closed") else None,
        contains=contains.strip() if isinstance(contains, str) else "",
        sort=key if key in _SORTABLE else "opened",
        descending=isinstance(sort, str) and sort.startswith("-"),
        offset=max(0, offset) if isinstance(offset, int) else 0,
        limit=PAGE_SIZE,
    )


def connections_page(feed: Feed, query: ConnectionQuery) -> dict[str, Any]:
    """Return the page of connections that a query selects.

    If the query's offset is beyond the last row, return the last page.
    """
    found = feed.connections(query)
    offset = query.offset
    if not found.rows and found.total:
        offset = (found.total - 1) // PAGE_SIZE * PAGE_SIZE
        found = feed.connections(replace(query, offset=offset))
    now = feed.now()
    snapshot = feed.snapshot()
    if snapshot is None:
        empty = "Waiting for the first numbers …"
    elif not snapshot.opened:
        empty = _HOW_TO_CONNECT
    elif query.contains:
        empty = f"No connection matches “{query.contains}”."
    else:
        empty = f"No {query.state or 'known'} connections."
    return {
        "rows": [connection_row(info, now) for info in found.rows],
        "total": found.total,
        "offset": offset,
        "note": exact(found.total),
        "empty": empty,
    }


def channels_page(channels: Sequence[ChannelInfo]) -> dict[str, Any]:
    """Return the channels table, the channel with the most delivered messages first."""
    busiest = sorted(channels, key=lambda channel: (-channel.delivered, channel.channel))
    return {
        "rows": [channel_row(channel) for channel in busiest[:CHANNELS_SHOWN]],
        "total": len(channels),
        "offset": 0,
        "note": exact(len(channels)),
        "empty": "No channel, no room: a hub has them.",
    }


def events_page(events: Sequence[Event]) -> dict[str, Any]:
    """Return the event log, the newest Event first."""
    return {
        "rows": [event_row(event) for event in reversed(events)],
        "total": len(events),
        "offset": 0,
        "note": f"latest {exact(EVENTS_SHOWN)}" if len(events) >= EVENTS_SHOWN else "",
        "empty": "Nothing has happened yet.",
    }


def described(columns: Columns, *, sortable: bool) -> list[dict[str, Any]]:
    """Return JSON descriptions of columns for the browser's table script."""
    return [
        {"key": key, "title": title, "align": align, "sortable": sortable}
        for key, title, align in columns
    ]
