"""What stands in the tables: connections, a page of them, and the latest events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..feeds.feed import ConnectionQuery, Feed
from ..metrics.records import ChannelInfo, ConnectionInfo, Event
from ..protocol.close import describe
from ..summary.numbers import UNKNOWN, clock, duration, exact, scaled, seconds
from .closes import look
from .components import Table

__all__ = [
    "CHANNELS_SHOWN",
    "EVENTS_SHOWN",
    "PAGE_SIZE",
    "Cell",
    "Columns",
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

Cell = str | list[str]

Columns = tuple[tuple[str, str, str], ...]
"""Of each column its key, its title, its side."""

_CHANNEL_COLUMNS: Columns = (
    ("channel", "Channel", "left"),
    ("subscribers", "Subscribers", "right"),
    ("published", "Published", "right"),
    ("delivered", "Delivered", "right"),
    ("dropped", "Dropped", "right"),
    ("fanout", "Fan-out", "right"),
)
"""The fan-out is the mean of all."""

_EVENT_COLUMNS: Columns = (
    ("time", "UTC", "left"),
    ("kind", "Event", "left"),
    ("name", "Who", "left"),
    ("detail", "What", "left wide"),
)

_CONNECTION_COLUMNS: Columns = (
    ("name", "Name", "left"),
    ("transport", "Via", "left"),
    ("remote", "Address", "left"),
    ("path", "Path", "left"),
    ("messages_in", "Msgs in", "right"),
    ("messages_out", "Msgs out", "right"),
    ("bytes_in", "Bytes in", "right"),
    ("bytes_out", "Bytes out", "right"),
    ("rtt", "RTT", "right"),
    ("send_queue", "Waiting", "right"),
    ("errors", "Errors", "right"),
    ("opened", "Opened", "right"),
    ("close_code", "State", "left"),
)
"""The key is what is sorted by."""

_SORTABLE = frozenset(key for key, _, _ in _CONNECTION_COLUMNS)
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
        columns=_described(_CONNECTION_COLUMNS, sortable=True),
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
        "rows": [_row(info, now) for info in found.rows],
        "total": found.total,
        "offset": offset,
        "note": exact(found.total),
        "empty": empty,
    }


def _row(info: ConnectionInfo, now: float) -> list[Cell]:
    rtt, unit = seconds(info.rtt)
    return [
        [info.name, ""] if info.name is not None else [info.id, "soft"],
        info.transport,
        info.remote or UNKNOWN,
        info.path or UNKNOWN,
        exact(info.messages_in),
        exact(info.messages_out),
        exact(info.bytes_in),
        exact(info.bytes_out),
        f"{rtt} {unit}" if info.rtt is not None else UNKNOWN,
        _waiting(info),
        [exact(info.errors), "bad" if info.errors else "soft"],
        _since(info.opened, now),
        _state(info),
    ]


def _waiting(info: ConnectionInfo) -> Cell:
    """What its peer has not read: how much, and for how long at least."""
    if info.send_queue is None:
        return UNKNOWN
    if not info.send_queue:
        return ["0", "soft"]
    number, unit = scaled(info.send_queue, "B")
    if info.queue_age is None:
        return f"{number} {unit}"
    age, aged = seconds(info.queue_age)
    return [f"{number} {unit} · {age} {aged}", "warn"]


def _since(time: float, now: float) -> str:
    return clock(time) if now - time < 86_400 else f"{duration(now - time)} ago"


def _state(info: ConnectionInfo) -> Cell:
    if info.state == "open":
        return ["open", "good"]
    if info.close_code is None:
        return [info.cause or "closed", "soft" if info.cause in {None, "closed"} else "warn"]
    mood = {"good": "soft", "odd": "warn", "bad": "bad", "own": "soft"}[look(info.close_code)]
    return [f"{info.close_code} {describe(info.close_code)}", mood]


def channels_table() -> Table:
    """The channels of a hub, still empty."""
    return bounded_table("Channels", _CHANNEL_COLUMNS)


def channels_page(channels: Sequence[ChannelInfo]) -> dict[str, Any]:
    """Channels, the busiest first."""
    busiest = sorted(channels, key=lambda channel: (-channel.delivered, channel.channel))
    return {
        "rows": [_channel(channel) for channel in busiest[:CHANNELS_SHOWN]],
        "total": len(channels),
        "offset": 0,
        "note": exact(len(channels)),
        "empty": "No channel, no room: a hub has them.",
    }


def _channel(info: ChannelInfo) -> list[Cell]:
    mean, unit = seconds(info.fanout / info.published if info.published else None)
    return [
        info.channel,
        exact(info.subscribers),
        exact(info.published),
        exact(info.delivered),
        [exact(info.dropped), "warn" if info.dropped else "soft"],
        UNKNOWN if mean == UNKNOWN else f"{mean} {unit}",
    ]


def events_table() -> Table:
    """The event log, still empty."""
    return bounded_table("Events", _EVENT_COLUMNS)


def events_page(events: Sequence[Event]) -> dict[str, Any]:
    """Events, newest first."""
    return {
        "rows": [_event(event) for event in reversed(events)],
        "total": len(events),
        "offset": 0,
        "note": f"latest {exact(EVENTS_SHOWN)}" if len(events) >= EVENTS_SHOWN else "",
        "empty": "Nothing has happened yet.",
    }


_KINDS = {"opened": "good", "closed": "soft", "error": "bad", "rejected": "bad"}


def _event(event: Event) -> list[Cell]:
    code = "" if event.code is None else str(event.code)
    what = " · ".join(filter(None, (code, event.detail)))
    return [
        [clock(event.time), "soft"],
        [event.kind, _KINDS.get(event.kind, "warn")],
        event.name or event.connection or event.remote or "",
        [what, "soft"],
    ]
