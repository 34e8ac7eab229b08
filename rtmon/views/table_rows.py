"""Format rows of the overview tables of connections, channels and events.

Each cell is a text, with a status such as ``warn`` that decides its colour.
"""

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
"""A text, or a list of a text and its status.

The status is ``good``, ``warn``, ``bad``, ``soft`` for less important text, or "". With the status
``time``, the text is Unix seconds, which the view formats as a time of day.
"""

Columns = tuple[tuple[str, str, str], ...]
"""Type of a list of table columns: the key, title and alignment of each column."""

CHANNEL_COLUMNS: Columns = (
    ("channel", "Channel", "left"),
    ("subscribers", "Subscribers", "right"),
    ("published", "Published", "right"),
    ("delivered", "Delivered", "right"),
    ("dropped", "Dropped", "right"),
    ("fanout", "Fan-out", "right"),
)
"""Columns of the channels table. ``fanout`` is the mean delivery time of the channel's messages."""

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
"""Columns of the connections table. A query can sort by any of their keys."""

_GOOD = frozenset({1000, 1001, 1005})
_ODD = frozenset({1006, 1012, 1013})


def judge(code: int) -> Literal["good", "odd", "bad", "own"]:
    """Classify a close code.

    Returns:
        ``good`` for a normal close; ``odd`` for 1006, 1012 and 1013, which may be harmless; ``own``
        for codes of libraries and applications, from 3000; ``bad`` for all others.
    """
    if code in _GOOD:
        return "good"
    if code in _ODD:
        return "odd"
    return "own" if code >= 3000 else "bad"


def code_cell(code: int) -> Cell:
    """Return a cell with a close code and its name, such as "1001 going away"."""
    mood = {"good": "soft", "odd": "warn", "bad": "bad", "own": "soft"}[judge(code)]
    return [f"{code} {describe(code)}", mood]


def connection_row(info: ConnectionInfo, now: float) -> list[Cell]:
    """Return the cells of a connection, one for each of :data:`CONNECTION_COLUMNS`.

    Args:
        info: the connection.
        now: time by the server's wall clock, Unix seconds.
    """
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
    """Return a cell with the size of a connection's send queue and the age of its oldest byte."""
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
    """Return the cells of a channel, one for each of :data:`CHANNEL_COLUMNS`."""
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
    """Return the cells of an Event, one for each of :data:`EVENT_COLUMNS`."""
    code = "" if event.code is None else str(event.code)
    what = " · ".join(filter(None, (code, event.detail)))
    return [
        [f"{event.time:.3f}", "time"],
        [event.kind, _KINDS.get(event.kind, "warn")],
        event.name or event.connection or event.remote or "",
        [what, "soft"],
    ]
