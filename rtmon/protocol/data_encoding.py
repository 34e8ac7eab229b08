"""The free values of messages, ``data`` above all: one rule for what may be sent, applied once.

A value passes if every codec carries it and every browser reads it. It is encoded when it comes in,
before it gets a position, and what is stored and sent from then on is the encoded form: the program
cannot change it any more, and no receiver can fail at it.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import msgspec

from . import limits

__all__ = [
    "Data",
    "EncodedData",
    "check_number",
    "decode_data",
    "encode_data",
    "encode_value",
    "plain",
    "plain_text",
]

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode
_to_msgpack = msgspec.msgpack.Encoder().encode

_BYTES = (bytes, bytearray, memoryview)

_SURELY_FITS = limits.DATA_SIZE * 4 // 9
"""Bytes in JSON up to which a value fits in MessagePack, too."""

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


class EncodedData:
    """A value in its stored form: JSON, and MessagePack from its first use on.

    Both codecs put it into messages as it stands.

    Args:
        json: the value in JSON.
    """

    __slots__ = ("_msgpack", "json")

    def __init__(self, json: bytes) -> None:
        self.json = json
        self._msgpack: bytes | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EncodedData) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def __repr__(self) -> str:
        return f"<EncodedData {len(self.json)} bytes>"

    @property
    def msgpack(self) -> bytes:
        """The value in MessagePack."""
        if self._msgpack is None:
            self._msgpack = _to_msgpack(self.decode())
        return self._msgpack

    def decode(self) -> Any:
        """Return the value, a copy of its own for each caller."""
        return _from_json(self.json)


Data: TypeAlias = EncodedData | bytes | None
"""The stored form of ``data``: bytes stay what they are, as each codec has its own form of them."""


def encode_data(value: Any) -> Data:
    """Return the stored form of ``data``; what is in this form already is returned as it is.

    Args:
        value: bytes as a whole, or what :func:`encode_value` takes.

    Raises:
        TypeError, ValueError: as for :func:`encode_value`; or it takes more than
            :data:`~rtmon.protocol.limits.DATA_SIZE` bytes.
    """
    if value is None or type(value) is EncodedData:
        return value
    if isinstance(value, _BYTES):
        found = bytes(value)
        _check_size(4 * math.ceil(len(found) / 3))  # as base64, in JSON
        return found
    encoded = encode_value(value)
    # Only numbers take more bytes in MessagePack: 9 in place of the 4 of "1.0,".
    if len(encoded.json) > _SURELY_FITS:
        _check_size(max(len(encoded.json), len(encoded.msgpack)))
    return encoded


def decode_data(data: Data) -> Any:
    """Return the value of a stored form, a copy of its own for each caller."""
    return data.decode() if isinstance(data, EncodedData) else data


def encode_value(value: Any, *, depth: int = limits.DATA_DEPTH) -> EncodedData:
    """Encode a value that both codecs can carry.

    Args:
        value: null, booleans, finite numbers, text, and lists and objects of these. Instances of
            subclasses of str, int, float, list and dict travel as their base value.
        depth: how deep lists and objects may nest.

    Raises:
        TypeError: it holds something else.
        ValueError: it nests deeper, an integer does not fit into 64 bits, a number is not finite,
            or a text holds half of a surrogate pair.
    """
    try:
        encoded = _to_json(value)
        if type(value) is str:
            return EncodedData(encoded)
        # What comes back equal was plain, and is found to be so without walking it in Python.
        # msgspec's MessagePack, other than its JSON, refuses integers beyond 64 bits.
        if _from_json(encoded) == value and _to_msgpack(value):
            if len(encoded) > 2 * depth and encoded.count(b"[") + encoded.count(b"{") > depth:
                _check_depth(value, depth)
            return EncodedData(encoded)
    except Exception:  # noqa: BLE001, S110 - of whatever type it holds; plain() finds the words
        pass
    return EncodedData(_to_json(plain(value, depth=depth)))


def plain(value: Any, *, depth: int = limits.DATA_DEPTH) -> Any:
    """Return a copy of a value that consists of plain types alone.

    Args:
        value: as for :func:`encode_value`.
        depth: how deep lists and objects may nest.

    Raises:
        TypeError, ValueError: as for :func:`encode_value`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, int):
        return _checked(int.__int__(value))
    if isinstance(value, float):
        return _checked(float.__float__(value))
    if isinstance(value, list | dict):
        if depth <= 0:
            raise _too_deep()
        if isinstance(value, list):
            return [plain(item, depth=depth - 1) for item in list.__iter__(value)]
        return {_key(key): plain(item, depth=depth - 1) for key, item in dict.items(value)}
    raise TypeError(
        f"{_type_name(value)} cannot be sent to every client: {_advice(value)}give None, bool, "
        "int, float, str, list or dict"
    )


def _advice(value: Any) -> str:
    """Return how to make a value of another type one that can be sent, or an empty text."""
    if isinstance(value, tuple | set | frozenset):
        return "send list(…) of it, "
    if hasattr(value, "dtype"):  # of NumPy, or of a library that follows it
        return "send its .tolist(), " if getattr(value, "ndim", 0) else "send its .item(), "
    return ""


def _type_name(value: Any) -> str:
    """Return the full name of a value's type, since ``numpy.bool`` is another one than ``bool``."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def plain_text(value: Any) -> str:
    """Return a text as a plain str.

    Raises:
        TypeError: it is no text.
        ValueError: it holds half of a surrogate pair, which no codec can carry.
    """
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} is no text")
    if not str.isascii(value):
        try:
            str.encode(value)
        except UnicodeEncodeError as error:
            half = ord(error.object[error.start])
            raise ValueError(
                f"a text holds half of a surrogate pair, \\u{half:04x}, as a cut emoji does"
            ) from None
    return value if type(value) is str else str.__str__(value)


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


def _checked(number: float) -> float:
    check_number(number)
    return number


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("the keys of objects must be text")
    return plain_text(key)


def _check_depth(value: Any, depth: int) -> None:
    if not isinstance(value, list | dict):
        return
    if depth <= 0:
        raise _too_deep()
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, depth - 1)


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects may nest {limits.DATA_DEPTH} deep")


def _check_size(size: int) -> None:
    if size > limits.DATA_SIZE:
        raise ValueError(
            f"it takes {size} bytes, and data may take {limits.DATA_SIZE}: send less, or a file"
        )
