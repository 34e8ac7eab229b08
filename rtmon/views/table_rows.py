"""Cells of the tables of connections, channels and events: a text and its status."""

from __future__ import annotations

from typing import Literal

from ..metrics.records import ChannelInfo, ConnectionInfo, Event
from ..protocol.close import describe
from .number_format import UNKNOWN, delay, duration, exact, scaled

__all__ = [
    "CHANNEL_COLUMNS",
    "CONNECTION_COLUMNS",
    "EVENT_COLUMNS",
    "Cell",
    "Columns",
    "channel_row",
    "code_cell",
    "connection_row",
    "event_row",
    "judge",
]

Cell = str | list[str]
"""Text; or text and its status: ``good``, ``warn``, ``bad``, or ``soft`` if it matters less; or
``time``, if the text is Unix seconds, which a view writes as a time of day."""

Columns = tuple[tuple[str, str, str], ...]
"""Key, title and alignment of each column."""

CHANNEL_COLUMNS: Columns = (
    ("channel", "Channel", "left"),
    ("subscribers", "Subscribers", "right"),
    ("published", "Published", "right"),
    ("delivered", "Delivered", "right"),
    ("dropped", "Dropped", "right"),
    ("fanout", "Fan-out", "right"),
)
"""Columns of the channels table; fan-out is the mean time of all its messages."""

EVENT_COLUMNS: Columns = (
    ("time", "Time", "left"),
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
"""Columns of the connections table; the key is what a query sorts by."""

_GOOD = frozenset({1000, 1001, 1005})
_ODD = frozenset({1006, 1012, 1013})


def judge(code: int) -> Literal["good", "odd", "bad", "own"]:
    """Classify a close code: normal, odd, an error, or one of the application's own."""
    if code in _GOOD:
        return "good"
    if code in _ODD:
        return "odd"
    return "own" if code >= 3000 else "bad"


def code_cell(code: int) -> Cell:
    """Format a close code with its name."""
    mood = {"good": "soft", "odd": "warn", "bad": "bad", "own": "soft"}[judge(code)]
    return [f"{code} {describe(code)}", mood]


def connection_row(info: ConnectionInfo, now: float) -> list[Cell]:
    """Return the cells of CONNECTION_COLUMNS at a time of the server's wall clock."""
    return [
        [info.name, ""] if info.name is not None else [info.id, "soft"],
        info.transport,
        info.remote or UNKNOWN,
        info.path or UNKNOWN,
        exact(info.messages_in),
        exact(info.messages_out),
        exact(info.bytes_in),
        exact(info.bytes_out),
        delay(info.rtt),
        _waiting(info),
        [exact(info.errors), "bad" if info.errors else "soft"],
        _since(info.opened, now),
        _state(info),
    ]


def _waiting(info: ConnectionInfo) -> Cell:
    """Format the backlog of a connection: queued bytes, and the age of the oldest."""
    if info.send_queue is None:
        return UNKNOWN
    if not info.send_queue:
        return ["0", "soft"]
    number, unit = scaled(info.send_queue, "B")
    if info.queue_age is None:
        return f"{number} {unit}"
    return [f"{number} {unit} · {delay(info.queue_age)}", "warn"]


def _since(time: float, now: float) -> Cell:
    return [f"{time:.3f}", "time"] if now - time < 86_400 else f"{duration(now - time)} ago"


def _state(info: ConnectionInfo) -> Cell:
    if info.state == "open":
        return ["open", "good"]
    if info.close_code is None:
        return [info.cause or "closed", "soft" if info.cause in {None, "closed"} else "warn"]
    return code_cell(info.close_code)


def channel_row(info: ChannelInfo) -> list[Cell]:
    """Return the cells of CHANNEL_COLUMNS."""
    return [
        info.channel,
        exact(info.subscribers),
        exact(info.published),
        exact(info.delivered),
        [exact(info.dropped), "warn" if info.dropped else "soft"],
        delay(info.fanout / info.published if info.published else None),
    ]


_KINDS = {"opened": "good", "closed": "soft", "error": "bad", "rejected": "bad"}


def event_row(event: Event) -> list[Cell]:
    """Return the cells of EVENT_COLUMNS."""
    code = "" if event.code is None else str(event.code)
    what = " · ".join(filter(None, (code, event.detail)))
    return [
        [f"{event.time:.3f}", "time"],
        [event.kind, _KINDS.get(event.kind, "warn")],
        event.name or event.connection or event.remote or "",
        [what, "soft"],
    ]
