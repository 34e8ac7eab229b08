"""Rows of the tables: connections, channels and events, cell by cell, as text with a mood."""

from __future__ import annotations

from typing import Literal

from ..metrics.records import ChannelInfo, ConnectionInfo, Event
from ..protocol.close import describe
from .numbers import UNKNOWN, clock, duration, exact, scaled, seconds

__all__ = [
    "CHANNEL_COLUMNS",
    "CONNECTION_COLUMNS",
    "EVENT_COLUMNS",
    "Cell",
    "Columns",
    "channel_row",
    "connection_row",
    "event_row",
    "look",
]

Cell = str | list[str]
"""Text; or text and how it is: ``good``, ``warn``, ``bad``, or ``soft`` for what matters less."""

Columns = tuple[tuple[str, str, str], ...]
"""Of each column its key, its title, its side."""

CHANNEL_COLUMNS: Columns = (
    ("channel", "Channel", "left"),
    ("subscribers", "Subscribers", "right"),
    ("published", "Published", "right"),
    ("delivered", "Delivered", "right"),
    ("dropped", "Dropped", "right"),
    ("fanout", "Fan-out", "right"),
)
"""The fan-out is the mean of all."""

EVENT_COLUMNS: Columns = (
    ("time", "UTC", "left"),
    ("kind", "Event", "left"),
    ("name", "Who", "left"),
    ("detail", "What", "left wide"),
)

CONNECTION_COLUMNS: Columns = (
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

_GOOD = frozenset({1000, 1001, 1005})
_ODD = frozenset({1006, 1012, 1013})


def look(code: int) -> Literal["good", "odd", "bad", "own"]:
    """The colour of a close code: went well, odd, went wrong, or the application's own."""
    if code in _GOOD:
        return "good"
    if code in _ODD:
        return "odd"
    return "own" if code >= 3000 else "bad"


def connection_row(info: ConnectionInfo, now: float) -> list[Cell]:
    """The cells of CONNECTION_COLUMNS, at some time by the server's wall clock."""
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


def channel_row(info: ChannelInfo) -> list[Cell]:
    """The cells of CHANNEL_COLUMNS."""
    mean, unit = seconds(info.fanout / info.published if info.published else None)
    return [
        info.channel,
        exact(info.subscribers),
        exact(info.published),
        exact(info.delivered),
        [exact(info.dropped), "warn" if info.dropped else "soft"],
        UNKNOWN if mean == UNKNOWN else f"{mean} {unit}",
    ]


_KINDS = {"opened": "good", "closed": "soft", "error": "bad", "rejected": "bad"}


def event_row(event: Event) -> list[Cell]:
    """The cells of EVENT_COLUMNS."""
    code = "" if event.code is None else str(event.code)
    what = " · ".join(filter(None, (code, event.detail)))
    return [
        [clock(event.time), "soft"],
        [event.kind, _KINDS.get(event.kind, "warn")],
        event.name or event.connection or event.remote or "",
        [what, "soft"],
    ]
