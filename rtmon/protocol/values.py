"""Types of fields, and the check of the free parts of a message: ``data`` and ``info``.

A value must survive every codec: a number that one cannot carry, or a browser cannot parse,
is refused where it comes in, so that no receiver can be hurt by it.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec

from . import limits

__all__ = [
    "Count",
    "Id",
    "Name",
    "Sha256",
    "Text",
    "Token",
    "check_data",
    "check_finite",
    "check_info",
    "check_number",
    "explain",
]

_NO_CONTROLS = r"^(?![\s\S]*[\x00-\x1f\x7f])"
_HEX_256 = r"^[0-9a-f]{64}$"

_WORDS = {
    f"matching regex {_NO_CONTROLS!r}": "without control characters",
    f"matching regex {_HEX_256!r}": "of 64 hexadecimal digits, a to f in lower case",
}
"""Pattern → its meaning in words."""

Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=limits.NAME_LENGTH, pattern=_NO_CONTROLS)
]
"""The name of a client, user, room or channel."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.ID_LENGTH)]
"""The id of a message, a client, a session or a file."""

Sha256 = Annotated[str, msgspec.Meta(pattern=_HEX_256, max_length=64)]
"""The SHA-256 of a file, in hexadecimal."""

Text = Annotated[str, msgspec.Meta(max_length=limits.TEXT_LENGTH)]
"""Text written by a user."""

Token = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TOKEN_LENGTH)]
"""A token that authenticates a client."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count or an offset, within the integers that JavaScript holds exactly."""

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def explain(error: Exception) -> str:
    """Return the problem that a decoder found, without the patterns that it was given."""
    text = str(error)
    for pattern, words in _WORDS.items():
        text = text.replace(pattern, words)
    return text


def check_number(value: Any) -> None:
    """Refuse NaN and infinities, which JSON does not have, and integers beyond 64 bits.

    Raises:
        ValueError: it is one of these.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("numbers must be finite")
    elif value is not None and not _INT_MIN <= value <= _INT_MAX:
        raise ValueError("integers must fit into 64 bits; send larger ones as text")


def check_finite(value: Any) -> None:
    """Refuse NaN and infinities anywhere in a decoded value of any types.

    Raises:
        ValueError: there is one.
    """
    if isinstance(value, float):
        check_number(value)
    elif isinstance(value, list):
        for item in value:
            check_finite(item)
    elif isinstance(value, dict):
        for item in value.values():
            check_finite(item)


def check_data(value: Any, *, depth: int = limits.DATA_DEPTH) -> None:
    """Check that every codec can carry a decoded value.

    Args:
        value: null, booleans, finite numbers, text, and lists and objects of these.
        depth: how deep lists and objects may nest.

    Raises:
        TypeError: it holds something else.
        ValueError: it nests deeper, or a number is not one that all can carry.
    """
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int | float):
        check_number(value)
        return
    if depth <= 0:
        raise ValueError(f"lists and objects may nest {limits.DATA_DEPTH} deep")
    if isinstance(value, list):
        for item in value:
            check_data(item, depth=depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError("the keys of objects must be text")
            check_data(item, depth=depth - 1)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be sent to every client")


def check_info(value: Any) -> None:
    """Check a client's own ``info``.

    Raises:
        TypeError: as for :func:`check_data`.
        ValueError: as for :func:`check_data`, or it is too large.
    """
    check_data(value)
    if len(msgspec.json.encode(value)) > limits.INFO_SIZE:
        raise ValueError(f"info may take {limits.INFO_SIZE} bytes as JSON")
