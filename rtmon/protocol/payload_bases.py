"""Base classes of message payloads, such as ``PayloadIn`` for payloads that clients send."""

from __future__ import annotations

import base64
from typing import Any, ClassVar, cast

import msgspec
from msgspec.structs import force_setattr

from .data_encoding import encode_data
from .field_types import Count, Id

__all__ = ["DataIn", "DataOut", "PayloadIn", "PayloadOut", "Position", "required"]


class PayloadIn(msgspec.Struct, frozen=True, kw_only=True):
    """Base class of payloads that clients send.

    Attributes:
        spelled: required fields that have several accepted spellings. Each spelling has a default
            in the struct, so decoding does not require it.
    """

    spelled: ClassVar[tuple[str, ...]] = ()


class PayloadOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base class of payloads that the server sends. Fields with their default value are omitted."""


class DataIn:
    """Mix-in for payloads from a client that have a field ``data``, which may be bytes.

    After decoding, ``data`` is in its stored form (:mod:`rtmon.protocol.data_encoding`), and
    ``encoding`` is None. The mix-in is not a struct, because two structs with fields cannot both be
    bases of a third.
    """

    __slots__ = ()

    data: Any
    encoding: str | None

    def __post_init__(self) -> None:
        data, struct = self.data, cast("msgspec.Struct", self)
        # A frozen struct can be changed only by force_setattr.
        if self.encoding is not None:
            if isinstance(data, str):
                data = base64.b64decode(data, validate=True)
            elif not isinstance(data, bytes):
                raise TypeError("data must be base64, as encoding says")
            force_setattr(struct, "encoding", None)
        force_setattr(struct, "data", encode_data(data))


class DataOut(PayloadOut, frozen=True, kw_only=True):
    """Base class of payloads from the server that have a field ``data``, which may be bytes.

    Before such a payload is sent, ``data`` must be in its stored form, see
    :mod:`rtmon.protocol.data_encoding`.

    Attributes:
        data: a JSON-like value, or bytes.
        encoding: ``base64`` if ``data`` is bytes and the codec cannot carry bytes.
    """

    data: Any = None
    encoding: str | None = None


class Position(PayloadIn, frozen=True, kw_only=True):
    """A position in the history of a channel, a room or the chat.

    Attributes:
        epoch: id of the history's lifetime. A new epoch begins when the history was lost.
        offset: number of the last publication that the client received, counted from 1.
    """

    epoch: Id
    offset: Count


def required(value: str | None, field: str) -> str:
    """Return the value of a required field that has several spellings.

    Raises:
        ValueError: the client sent none of the spellings.
    """
    if value is None:
        raise ValueError(f"{field} is missing")
    return value
