"""Validate the values of options. Pure."""

from __future__ import annotations

import re
from typing import Any

from ..errors import OptionError

__all__ = ["bearer_token", "one_of", "within"]

_VISIBLE = re.compile(r"[!-~]+")


def within(what: str, value: Any, low: float, high: float) -> None:
    """Raise if a value is not a number from ``low`` to ``high``, both included.

    Raises:
        OptionError: it is something else, NaN too.
    """
    try:
        fits = low <= value <= high
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(f"{what} is {value!r}: give a value from {low} to {high}.")


def one_of(what: str, value: Any, *choices: str | int) -> None:
    """Raise if a value is none of the allowed ones.

    Raises:
        OptionError: it is something else.
    """
    if value not in choices:
        *others, last = map(repr, choices)
        raise OptionError(f"{what} is {value!r}: give {', '.join(others)} or {last}.")


def bearer_token(what: str, value: Any) -> None:
    """Raise if a token is not valid in an ``Authorization: Bearer`` header; never quote it.

    Raises:
        OptionError: it is no text, is empty, or has other characters than visible ASCII.
    """
    if not (isinstance(value, str) and _VISIBLE.fullmatch(value)):
        raise OptionError(
            f"{what} is empty or has other characters than visible ASCII, which no header carries "
            "unchanged: give letters, digits and marks, as secrets.token_urlsafe() makes them."
        )
