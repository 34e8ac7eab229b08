"""What stands in the tables: connections, a page of them, and the latest events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..feeds.feed import ConnectionQuery, Feed
from ..metrics.records import ChannelInfo, Event
from ..views.numbers import exact
from ..views.rows import (
    CHANNEL_COLUMNS,
    CONNECTION_COLUMNS,
    EVENT_COLUMNS,
    Columns,
    channel_row,
    connection_row,
    event_row,
)
from .components import Table

__all__ = [
    "CHANNELS_SHOWN",
    "EVENTS_SHOWN",
    "PAGE_SIZE",
    "bounded_table",
    "channels_page",
    "channels_table",
    "connection_query",
    "connections_page",
    "connections_table",
    "events_page",
    "events_table",
]

PAGE_SIZE = 10
"""Rows of the connections table on one page."""

EVENTS_SHOWN = 100
"""Rows of the event log; the download has all that the feed still knows."""

CHANNELS_SHOWN = 100
"""Rows of the channels table; the download has all that the feed knows."""

_SORTABLE = frozenset(key for key, _, _ in CONNECTION_COLUMNS)
_STATES = {"open": "Open", "closed": "Closed", "": "All"}

_HOW_TO_CONNECT = (
    "Nothing has connected yet.\n"
    "Connections appear here as soon as a client opens your server's WebSocket port, such as\n"
    "python -m websockets ws://HOST:PORT"
)


def bounded_table(heading: str, columns: Columns) -> Table:
    """A table that scrolls within its card, in the order that its rows come in; still empty."""
    described = _described(columns, sortable=False)
    return Table(heading=heading, columns=described, css_classes=["bounded"])


def _described(columns: Columns, *, sortable: bool) -> list[dict[str, Any]]:
    return [
        {"key": key, "title": title, "align": align, "sortable": sortable}
        for key, title, align in columns
    ]


def connections_table() -> Table:
    """The connections table, still empty."""
    return Table(
        heading="Connections",
        columns=_described(CONNECTION_COLUMNS, sortable=True),
        states=[list(item) for item in _STATES.items()],
        paged=True,
        page_size=PAGE_SIZE,
        query={"sort": "opened", "descending": True, "contains": "", "state": "open", "offset": 0},
    )


def connection_query(asked: Mapping[str, Any]) -> ConnectionQuery:
    """What a browser asked for, as far as it makes sense: a browser can say anything."""
    sort, state, contains = asked.get("sort"), asked.get("state"), asked.get("contains")
    offset = asked.get("offset")
    return ConnectionQuery(
        state=state if state in ("open", "closed") else None,
        contains=contains.strip() if isinstance(contains, str) else "",
        sort=sort if isinstance(sort, str) and sort in _SORTABLE else "opened",
        descending=bool(asked.get("descending")),
        offset=max(0, offset) if isinstance(offset, int) else 0,
        limit=PAGE_SIZE,
    )


def connections_page(feed: Feed, query: ConnectionQuery) -> dict[str, Any]:
    """The rows that a query asks for; the last page if there are fewer than it starts at."""
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


def channels_table() -> Table:
    """The channels of a hub, still empty."""
    return bounded_table("Channels", CHANNEL_COLUMNS)


def channels_page(channels: Sequence[ChannelInfo]) -> dict[str, Any]:
    """Channels, the busiest first."""
    busiest = sorted(channels, key=lambda channel: (-channel.delivered, channel.channel))
    return {
        "rows": [channel_row(channel) for channel in busiest[:CHANNELS_SHOWN]],
        "total": len(channels),
        "offset": 0,
        "note": exact(len(channels)),
        "empty": "No channel, no room: a hub has them.",
    }


def events_table() -> Table:
    """The event log, still empty."""
    return bounded_table("Events", EVENT_COLUMNS)


def events_page(events: Sequence[Event]) -> dict[str, Any]:
    """Events, newest first."""
    return {
        "rows": [event_row(event) for event in reversed(events)],
        "total": len(events),
        "offset": 0,
        "note": f"latest {exact(EVENTS_SHOWN)}" if len(events) >= EVENTS_SHOWN else "",
        "empty": "Nothing has happened yet.",
    }
