"""Parameters of a page's address: texts that a person may have typed, read with care."""

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
"""Rows on one page of a table, as the viewer chooses."""


def whole_number(asked: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """Read a number from 0 to ``most``; anything else is the default."""
    text = asked.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 12 else default


def choice(asked: Mapping[str, str], name: str, options: Sequence[T], default: T) -> T:
    """Read one of several texts; anything else is the default."""
    return next((option for option in options if option == asked.get(name)), default)


def combined_condition(asked: Mapping[str, str], table: str, added: str = "") -> str:
    """Return the viewer's condition and another beside it.

    Raises:
        QueryError: the viewer's condition is wrong; the message shows it as it was typed.
    """
    typed = asked.get("where", "").strip()
    parse(typed, table)
    return f"{typed} {added}".strip()


def order(asked: Mapping[str, str], columns: Sequence[str], default: str) -> tuple[str, bool]:
    """Read an order: a column, with ``-`` before it for the greatest first.

    Returns:
        The column, and True for the greatest first.
    """
    text = asked.get("sort", default)
    column = text.removeprefix("-")
    if column not in columns:
        text = default
        column = text.removeprefix("-")
    return column, text.startswith("-")


def page(asked: Mapping[str, str]) -> tuple[int, int]:
    """Read which rows of a table are shown: offset and limit."""
    size = whole_number(asked, "size", PAGE_SIZES[0], most=PAGE_SIZES[-1]) or PAGE_SIZES[0]
    return whole_number(asked, "offset", 0, most=10**9), size


def chosen_columns(
    asked: Mapping[str, str], known: Sequence[str], default: Sequence[str]
) -> list[str]:
    """Read the columns of a table, in the viewer's order; unknown ones are left out."""
    names = asked.get("columns", "").split(",")
    chosen = [name for name in dict.fromkeys(names) if name in known]
    return chosen or list(default)


def quoted(text: str) -> str:
    """Write a text as a value of the query language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
