"""Format the Socket.IO table: rows for namespaces, events, rooms and acknowledgement times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..metrics.records import SocketIOInfo
from .number_format import delay, exact
from .table_rows import Cell, Columns

__all__ = ["COLUMNS", "page"]

COLUMNS: Columns = (
    ("name", "Name", "left"),
    ("kind", "What", "left"),
    ("namespace", "Namespace", "left"),
    ("clients", "Clients", "right"),
    ("connected", "Connected", "right"),
    ("refused", "Refused", "right"),
    ("left", "Left", "right"),
    ("received", "Received", "right"),
    ("emitted", "Emitted", "right"),
    ("errors", "Errors", "right"),
    ("timed", "Timed", "right"),
    ("p50", "p50", "right"),
    ("p95", "p95", "right"),
)

_TIMES = frozenset({"p50", "p95"})
_TROUBLE = frozenset({"refused", "errors"})


def page(rows: Sequence[SocketIOInfo]) -> dict[str, Any]:
    """Return the Socket.IO table as JSON data for the browser, with all rows in the given order."""
    return {
        "rows": [_row(row) for row in rows],
        "total": len(rows),
        "offset": 0,
        "note": "",
        "empty": "No Socket.IO server is measured.",
    }


def _row(info: SocketIOInfo) -> list[Cell]:
    name = info.namespace or "all" if info.name is None else info.name
    return [name, *(_cell(key, getattr(info, key)) for key, _, _ in COLUMNS[1:])]


def _cell(key: str, value: Any) -> Cell:
    if value is None:  # rows of this kind do not have this column
        return ""
    if isinstance(value, str):
        return [value, "soft"] if key == "kind" else value
    if key in _TIMES:
        return delay(value)
    return [exact(value), "warn"] if key in _TROUBLE and value else exact(value)
