"""Whether the value of an option makes sense. Pure."""

from __future__ import annotations

from typing import Any

from ..errors import OptionError

__all__ = ["one_of", "within"]


def within(what: str, value: Any, low: float, high: float) -> None:
    """Refuse what is no number from ``low`` to ``high``, both included.

    Raises:
        OptionError: it is something else, NaN too.
    """
    try:
        fits = low <= value <= high
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(f"{what} is {value!r}: give a value from {low} to {high}.")


def one_of(what: str, value: Any, *choices: str) -> None:
    """Refuse what is none of these words.

    Raises:
        OptionError: it is something else.
    """
    if value not in choices:
        *others, last = map(repr, choices)
        raise OptionError(f"{what} is {value!r}: give {', '.join(others)} or {last}.")
