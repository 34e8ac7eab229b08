"""Check the values of options, such as numbers in a range, and raise OptionError. No I/O."""

from __future__ import annotations

import re
from typing import Any

from ..errors import OptionError

__all__ = ["bearer_token", "one_of", "within"]

_VISIBLE = re.compile(r"[!-~]+")


def within(what: str, value: Any, low: float, high: float) -> None:
    """Check that an option's value is a number from ``low`` to ``high``, both included.

    Args:
        what: the option's name, for the error message.
        value: the value to check.
        low: smallest allowed value.
        high: largest allowed value.

    Raises:
        OptionError: the value is outside the range, NaN, or no number.
    """
    try:
        fits = low <= value <= high
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(f"{what} is {value!r}: give a value from {low} to {high}.")


def one_of(what: str, value: Any, *choices: str | int) -> None:
    """Check that an option's value is one of the allowed choices.

    Raises:
        OptionError: the value is not one of the choices.
    """
    if value not in choices:
        *others, last = map(repr, choices)
        raise OptionError(f"{what} is {value!r}: give {', '.join(others)} or {last}.")


def bearer_token(what: str, value: Any) -> None:
    """Check that a token can be sent in an ``Authorization: Bearer`` header.

    The error message never contains the token.

    Raises:
        OptionError: the token is not a ``str``, is empty, or has characters other than visible
            ASCII.
    """
    if not (isinstance(value, str) and _VISIBLE.fullmatch(value)):
        raise OptionError(
            f"{what} is empty or has other characters than visible ASCII, which no header carries "
            "unchanged: give letters, digits and marks, as secrets.token_urlsafe() makes them."
        )
