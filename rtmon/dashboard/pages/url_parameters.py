"""Parses and validates the URL parameters of dashboard pages.

A viewer may have edited the URL, so invalid values are replaced by defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ...feeds.query_language import parse

__all__ = [
    "PAGE_SIZES",
    "choice",
    "chosen_columns",
    "combined_condition",
    "order",
    "page",
    "quoted",
    "whole_number",
]

T = TypeVar("T", bound=str)

PAGE_SIZES = (25, 50, 100, 250)
"""Numbers of rows per page that a viewer can choose for a table. The first is the default."""


def whole_number(asked: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """Return a URL parameter as an integer, at most ``most``.

    Return ``default`` if the parameter is missing or not a non-negative integer.
    """
    text = asked.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 12 else default


def choice(asked: Mapping[str, str], name: str, options: Sequence[T], default: T) -> T:
    """Return a URL parameter if its value is one of ``options``, else return ``default``."""
    return next((option for option in options if option == asked.get(name)), default)


def combined_condition(asked: Mapping[str, str], table: str, added: str = "") -> str:
    """Return the viewer's condition from the URL parameter ``where``, joined with ``added``.

    Both are conditions in the query language, and rows must match both of them.

    Raises:
        QueryError: the viewer's condition is invalid. The message quotes only this condition.
    """
    typed = asked.get("where", "").strip()
    parse(typed, table)
    return f"{typed} {added}".strip()


def order(asked: Mapping[str, str], columns: Sequence[str], default: str) -> tuple[str, bool]:
    """Parse the URL parameter ``sort``: a column's name, with the prefix ``-`` for descending.

    Args:
        asked: the URL parameters.
        columns: names of the valid columns.
        default: the value to use if ``sort`` is missing or names no valid column.

    Returns:
        A pair: the column's name, and True for descending or False for ascending order.
    """
    text = asked.get("sort", default)
    column = text.removeprefix("-")
    if column not in columns:
        text = default
        column = text.removeprefix("-")
    return column, text.startswith("-")


def page(asked: Mapping[str, str]) -> tuple[int, int]:
    """Return a table's offset and limit from the URL parameters ``offset`` and ``size``."""
    size = whole_number(asked, "size", PAGE_SIZES[0], most=PAGE_SIZES[-1]) or PAGE_SIZES[0]
    return whole_number(asked, "offset", 0, most=10**9), size


def chosen_columns(
    asked: Mapping[str, str], known: Sequence[str], default: Sequence[str]
) -> list[str]:
    """Return the table columns in the URL parameter ``columns``, in the viewer's order.

    Unknown column names are omitted. If no column is left, return ``default``.
    """
    names = asked.get("columns", "").split(",")
    chosen = [name for name in dict.fromkeys(names) if name in known]
    return chosen or list(default)


def quoted(text: str) -> str:
    """Return a text as a quoted string of the query language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
