"""Parse the URL parameters of a dashboard page. Invalid values become the default.

A viewer may have edited the URL by hand, so every value is validated.
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
"""Numbers of rows per page of a table that the viewer can choose."""


def whole_number(asked: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """Return a parameter as a whole number from 0 to ``most``.

    A greater number becomes ``most``. Other text, or no text, becomes ``default``.
    """
    text = asked.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 12 else default


def choice(asked: Mapping[str, str], name: str, options: Sequence[T], default: T) -> T:
    """Return a parameter that must be one of ``options``; ``default`` for any other text."""
    return next((option for option in options if option == asked.get(name)), default)


def combined_condition(asked: Mapping[str, str], table: str, added: str = "") -> str:
    """Return a condition that requires both the viewer's condition and ``added``.

    Raises:
        QueryError: the syntax of the viewer's condition is wrong. Only that condition is parsed,
            so positions in the message match the viewer's text.
    """
    typed = asked.get("where", "").strip()
    parse(typed, table)
    return f"{typed} {added}".strip()


def order(asked: Mapping[str, str], columns: Sequence[str], default: str) -> tuple[str, bool]:
    """Return the sort order from the parameter ``sort``: a column, descending with a leading ``-``.

    Returns:
        The column to sort by, and True for descending order.
    """
    text = asked.get("sort", default)
    column = text.removeprefix("-")
    if column not in columns:
        text = default
        column = text.removeprefix("-")
    return column, text.startswith("-")


def page(asked: Mapping[str, str]) -> tuple[int, int]:
    """Return the offset and the number of rows of a table page, from ``offset`` and ``size``."""
    size = whole_number(asked, "size", PAGE_SIZES[0], most=PAGE_SIZES[-1]) or PAGE_SIZES[0]
    return whole_number(asked, "offset", 0, most=10**9), size


def chosen_columns(
    asked: Mapping[str, str], known: Sequence[str], default: Sequence[str]
) -> list[str]:
    """Return the columns of a table from the parameter ``columns``, in the viewer's order.

    Unknown columns are omitted. Without a known column, return ``default``.
    """
    names = asked.get("columns", "").split(",")
    chosen = [name for name in dict.fromkeys(names) if name in known]
    return chosen or list(default)


def quoted(text: str) -> str:
    """Return text as a quoted value of the query language, with quotes and backslashes escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
