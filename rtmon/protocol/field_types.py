"""Types of the fields of payloads, and checks of names and ``info``."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from . import limits
from .data_encoding import check_number, encode_value, plain_text

__all__ = [
    "Count",
    "Id",
    "Name",
    "Sha256",
    "Text",
    "Token",
    "check_numbers",
    "checked_info",
    "checked_name",
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


def explain(error: Exception) -> str:
    """Return the problem that a decoder found, without the patterns that it was given."""
    text = str(error)
    for pattern, words in _WORDS.items():
        text = text.replace(pattern, words)
    return text


def checked_name(value: Any) -> str:
    """Return the name of a client, user, room or channel as a plain str.

    Raises:
        TypeError, ValueError: it is no name.
    """
    name: str = msgspec.convert(plain_text(value), Name)
    return name


def checked_info(value: Any) -> Any:
    """Return a plain copy of a client's own ``info``.

    Raises:
        TypeError, ValueError: ``info`` is too large, or
            :func:`~rtmon.protocol.data_encoding.encode_value` refuses it.
    """
    encoded = encode_value(value)
    if len(encoded.json) > limits.INFO_SIZE:
        raise ValueError(f"info may take {limits.INFO_SIZE} bytes as JSON")
    return encoded.decode()


def check_numbers(value: Any) -> None:
    """Refuse numbers that not every codec can carry, anywhere in a decoded value of any types.

    Raises:
        ValueError: there is one.
    """
    if isinstance(value, int | float):
        check_number(value)
    elif isinstance(value, list):
        for item in value:
            check_numbers(item)
    elif isinstance(value, dict):
        for item in value.values():
            check_numbers(item)
