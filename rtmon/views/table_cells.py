"""Format the cells and column titles of the dashboard's full tables, which can show any column."""

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
"""Column name → its title, where the title cannot be derived from the name."""

EXACT = 10_000
"""Sizes below this number of bytes are written with all their digits."""

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
    "code": lambda value: (
        code_cell(value) if value >= 1000 else str(value)
    ),  # smaller: an HTTP status
    "seq": exact,
}
"""Column name → function that formats a known value, for columns with a special format."""


def cell(column: Column, value: Any) -> Cell:
    """Return the cell for a value of a column. None, an unknown value, is shown as "–", not 0."""
    if value is None:
        return [UNKNOWN, "soft"]
    if column.name in _SPECIAL:
        return _SPECIAL[column.name](value)
    if column.kind == "time":
        return [f"{value:.3f}", "time"]  # the browser formats it in the viewer's time zone
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
    """Return JSON descriptions of a table's columns: key, title, alignment and help text.

    Columns with histograms or tallies are omitted.
    """
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
    """Return True if a column is aligned as a number; close codes are aligned as text."""
    return column.kind in {"counter", "gauge"} and not column.name.endswith(
        ("code", "_sent", "_received")
    )
