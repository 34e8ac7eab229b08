"""Format table cells of any column by its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..metrics.columns import TABLES, Column
from .connection_verdict import LATE
from .number_format import UNKNOWN, delay, exact, scaled, three
from .table_rows import Cell, code_cell

__all__ = ["TITLES", "cell", "described"]

TITLES: Mapping[str, str] = {
    "messages_in": "Msgs in",
    "messages_out": "Msgs out",
    "bytes_in": "Bytes in",
    "bytes_out": "Bytes out",
    "rtt": "RTT",
    "rtt_p50": "RTT p50",
    "rtt_p99": "RTT p99",
    "send_queue": "Waiting",
    "queue_age": "Oldest waits",
    "close_code": "Code",
    "handler_time": "Handler time",
    "remote": "Address",
    "transport": "Via",
    "tls": "TLS",
    "id": "Id",
    "fanout": "Delivery, sum",
    "fanout_max": "Delivery, max",
    "seq": "#",
    "last_frames": "Last frames",
    "cpu": "CPU",
}
"""Titles of columns whose names are not readable as titles."""

EXACT = 10_000
"""Bytes below which a size is written with all its digits."""

_STATES = {"open": "good", "closed": "soft"}
_CAUSES = {"closed": "soft", "server shutdown": "soft"}

_SPECIAL: Mapping[str, Callable[[Any], Cell]] = {
    "close_code": code_cell,
    "code_sent": code_cell,
    "code_received": code_cell,
    "state": lambda value: [value, _STATES.get(value, "soft")],
    "cause": lambda value: [value, _CAUSES.get(value, "warn")],
    "errors": lambda value: [exact(value), "bad" if value else "soft"],
    "dropped": lambda value: [exact(value), "warn" if value else "soft"],
    "queue_age": lambda value: [delay(value), "warn" if value >= LATE else ""],
    "code": lambda value: code_cell(value) if value >= 1000 else str(value),  # or an HTTP status
    "seq": exact,
}
"""Columns whose cells have a format of their own."""


def cell(column: Column, value: Any) -> Cell:
    """Format the value of a column; an unknown value is never shown as 0."""
    if value is None:
        return [UNKNOWN, "soft"]
    if column.name in _SPECIAL:
        return _SPECIAL[column.name](value)
    if column.kind == "time":
        return [f"{value:.3f}", "time"]  # written in the viewer's zone by the browser
    if column.unit == "s":
        return delay(value)
    return _number(column, value) if isinstance(value, (int, float)) else str(value)


def _number(column: Column, value: float) -> Cell:
    if column.unit == "B":
        text = " ".join(scaled(value, "B")) if value >= EXACT else f"{value:,} B"
    else:
        text = exact(value) if isinstance(value, int) else three(value)
    return text if value else [text, "soft"]


def described(table: str) -> list[dict[str, Any]]:
    """Describe the columns of a table to a browser: key, title, alignment, meaning."""
    return [
        {
            "key": column.name,
            "title": TITLES.get(column.name) or column.name.replace("_", " ").capitalize(),
            "align": "right" if _numeric(column) else "left",
            "help": column.definition,
        }
        for column in TABLES[table]
        if column.kind not in {"histogram", "tally"}
    ]


def _numeric(column: Column) -> bool:
    """True for columns that are read as numbers; a close code is a name."""
    return column.kind in {"counter", "gauge"} and not column.name.endswith(
        ("code", "_sent", "_received")
    )
