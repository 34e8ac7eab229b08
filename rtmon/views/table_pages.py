"""Pages of the tables of connections, channels and events, as a browser requests them."""

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
"""Rows of the connections table on one page."""

EVENTS_SHOWN = 100
"""Maximum number of rows of the event log; a download has all Events of the feed."""

CHANNELS_SHOWN = 100
"""Maximum number of rows of the channels table; a download has all channels."""

_SORTABLE = frozenset(key for key, _, _ in CONNECTION_COLUMNS)
STATES: Sequence[tuple[str, str]] = (("open", "Open"), ("closed", "Closed"), ("", "All"))
"""States of connections that a user can choose, and their labels."""

FIRST_QUERY: Mapping[str, Any] = {
    "sort": "-opened",
    "contains": "",
    "state": "open",
    "offset": 0,
}
"""The default query of the connections table: newest first."""

_HOW_TO_CONNECT = (
    "Nothing has connected yet.\n"
    "Connections appear here as soon as a client opens your server's WebSocket port, such as\n"
    "python -m websockets ws://HOST:PORT"
)


def connection_query(asked: Mapping[str, Any]) -> ConnectionQuery:
    """Parse a query from the browser; invalid parts become the default.

    ``sort`` is the key of a column, with a leading minus for descending order.
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
    """Return the rows of a query; the last page if it starts beyond the end."""
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
    """Return the rows of the channels table, the busiest channel first."""
    busiest = sorted(channels, key=lambda channel: (-channel.delivered, channel.channel))
    return {
        "rows": [channel_row(channel) for channel in busiest[:CHANNELS_SHOWN]],
        "total": len(channels),
        "offset": 0,
        "note": exact(len(channels)),
        "empty": "No channel, no room: a hub has them.",
    }


def events_page(events: Sequence[Event]) -> dict[str, Any]:
    """Return the rows of the event log, newest first."""
    return {
        "rows": [event_row(event) for event in reversed(events)],
        "total": len(events),
        "offset": 0,
        "note": f"latest {exact(EVENTS_SHOWN)}" if len(events) >= EVENTS_SHOWN else "",
        "empty": "Nothing has happened yet.",
    }


def described(columns: Columns, *, sortable: bool) -> list[dict[str, Any]]:
    """Describe columns for ``picture_table.js``."""
    return [
        {"key": key, "title": title, "align": align, "sortable": sortable}
        for key, title, align in columns
    ]
