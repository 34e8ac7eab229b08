"""Validation and encoding of ``data``, the free-form value that a message carries.

A value is accepted if both codecs can carry it and every browser can read it. It is encoded once,
when it arrives, before the message gets a position. The hub then stores and sends these bytes. So
the application cannot change the value afterwards, and no receiver fails on it.
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
"""Size in JSON, in bytes, below which a value surely fits into MessagePack, too."""

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


class EncodedData:
    """A value in its stored form: encoded as JSON, and at first use also as MessagePack.

    Both codecs copy these bytes into messages without encoding the value again.

    Args:
        json: the value, encoded as JSON.
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
        """The value, encoded as MessagePack."""
        if self._msgpack is None:
            self._msgpack = _to_msgpack(self.decode())
        return self._msgpack

    def decode(self) -> Any:
        """Return the decoded value. Each caller gets a copy of its own."""
        return _from_json(self.json)


Data: TypeAlias = EncodedData | bytes | None
"""The stored form of ``data``. Bytes are stored as bytes, because each codec represents them in its
own way."""


def encode_data(value: Any) -> Data:
    """Return the stored form of ``data``. A value already in stored form is returned unchanged.

    Args:
        value: bytes, or a value that :func:`encode_value` accepts.

    Raises:
        TypeError, ValueError: :func:`encode_value` refuses the value, or its encoding is larger
            than :data:`~rtmon.protocol.limits.DATA_SIZE` bytes.
    """
    if value is None or type(value) is EncodedData:
        return value
    if isinstance(value, _BYTES):
        found = bytes(value)
        _check_size(4 * math.ceil(len(found) / 3))  # its size as base64, in JSON
        return found
    encoded = encode_value(value)
    # Only numbers are longer in MessagePack: "1.0," is 4 bytes of JSON and 9 bytes of MessagePack.
    if len(encoded.json) > _SURELY_FITS:
        _check_size(max(len(encoded.json), len(encoded.msgpack)))
    return encoded


def decode_data(data: Data) -> Any:
    """Return the value of a stored form. Each caller gets a copy of its own."""
    return data.decode() if isinstance(data, EncodedData) else data


def encode_value(value: Any, *, depth: int = limits.DATA_DEPTH) -> EncodedData:
    """Encode a value that both JSON and MessagePack can carry.

    Args:
        value: null, booleans, finite numbers, text, and lists and objects of these. Instances of
            subclasses of str, int, float, list and dict are encoded as their base type.
        depth: maximum nesting depth of lists and objects.

    Raises:
        TypeError: the value contains another type.
        ValueError: the value nests too deep, an integer needs more than 64 bits, a number is not
            finite, or a text contains half of a surrogate pair.
    """
    try:
        encoded = _to_json(value)
        if type(value) is str:
            return EncodedData(encoded)
        # If the decoded value equals the original, the value has only plain types. Comparing is
        # faster than walking the value in Python. The MessagePack encoder of msgspec, unlike its
        # JSON encoder, refuses integers beyond 64 bits.
        if _from_json(encoded) == value and _to_msgpack(value):
            if len(encoded) > 2 * depth and encoded.count(b"[") + encoded.count(b"{") > depth:
                _check_depth(value, depth)
            return EncodedData(encoded)
    except Exception:  # noqa: BLE001, S110 - plain() raises the error for the caller
        pass
    return EncodedData(_to_json(plain(value, depth=depth)))


def plain(value: Any, *, depth: int = limits.DATA_DEPTH) -> Any:
    """Return a copy of a value that has only the plain types of JSON.

    Args:
        value: as for :func:`encode_value`.
        depth: maximum nesting depth of lists and objects.

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
    """Return how to convert a value to an accepted type; an empty text if there is no advice."""
    if isinstance(value, tuple | set | frozenset):
        return "send list(…) of it, "
    if hasattr(value, "dtype"):  # a NumPy value, or one of a library with NumPy's interface
        return "send its .tolist(), " if getattr(value, "ndim", 0) else "send its .item(), "
    return ""


def _type_name(value: Any) -> str:
    """Return the full name of a value's type, such as ``numpy.bool``, to tell it from ``bool``."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def plain_text(value: Any) -> str:
    """Return a text as a plain str.

    Raises:
        TypeError: the value is not a str.
        ValueError: the text contains half of a surrogate pair, which neither codec can carry.
    """
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} is not text")
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
    """Refuse NaN, infinities (JSON has neither) and integers beyond 64 bits.

    Raises:
        ValueError: the number is one of these.
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
