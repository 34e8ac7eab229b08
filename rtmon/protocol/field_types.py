"""Types of payload fields, such as names, ids and tokens, with their validation."""

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
"""Error text of msgspec for a pattern → the same in plain English."""

Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=limits.NAME_LENGTH, pattern=_NO_CONTROLS)
]
"""Type of a client's, user's, room's or channel's name."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.ID_LENGTH)]
"""Type of a message, client, session or file id."""

Sha256 = Annotated[str, msgspec.Meta(pattern=_HEX_256, max_length=64)]
"""Type of a file's SHA-256 hash, in hexadecimal."""

Text = Annotated[str, msgspec.Meta(max_length=limits.TEXT_LENGTH)]
"""Type of a text that a user wrote."""

Token = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TOKEN_LENGTH)]
"""Type of a token that authenticates a client."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Type of a count or an offset. Its maximum is the largest integer that JavaScript holds
exactly."""


def explain(error: Exception) -> str:
    """Return a decoder's error text, with regular expressions replaced by plain English."""
    text = str(error)
    for pattern, words in _WORDS.items():
        text = text.replace(pattern, words)
    return text


def checked_name(value: Any) -> str:
    """Return the name of a client, user, room or channel as a plain str, after validation.

    Raises:
        TypeError, ValueError: the value is not a valid name.
    """
    name: str = msgspec.convert(plain_text(value), Name)
    return name


def checked_info(value: Any) -> Any:
    """Return a copy of a client's ``info`` that has only plain types.

    Raises:
        TypeError, ValueError: ``info`` is too large, or
            :func:`~rtmon.protocol.data_encoding.encode_value` refuses it.
    """
    encoded = encode_value(value)
    if len(encoded.json) > limits.INFO_SIZE:
        raise ValueError(f"info may take {limits.INFO_SIZE} bytes as JSON")
    return encoded.decode()


def check_numbers(value: Any) -> None:
    """Refuse numbers that a codec cannot carry, at any depth of a decoded value.

    Raises:
        ValueError: the value contains NaN, an infinity, or an integer beyond 64 bits.
    """
    if isinstance(value, int | float):
        check_number(value)
    elif isinstance(value, list):
        for item in value:
            check_numbers(item)
    elif isinstance(value, dict):
        for item in value.values():
            check_numbers(item)
