"""Base classes of the payloads of all message types."""

from __future__ import annotations

import base64
from typing import Any, ClassVar, cast

import msgspec
from msgspec.structs import force_setattr

from .data_encoding import encode_data
from .field_types import Count, Id

__all__ = ["DataIn", "DataOut", "PayloadIn", "PayloadOut", "Position", "required"]


class PayloadIn(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the payloads that clients send.

    Attributes:
        spelled: fields that must be sent, in one of several spellings, so that each has a default.
    """

    spelled: ClassVar[tuple[str, ...]] = ()


class PayloadOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the payloads that the server sends; fields with default values are left out."""


class DataIn:
    """Mix-in for payloads from a client whose ``data`` may be bytes as a whole.

    Once decoded, ``data`` is in its stored form, and ``encoding`` is None.

    Not a struct: two structs with fields of their own cannot both be bases of a third.
    """

    __slots__ = ()

    data: Any
    encoding: str | None

    def __post_init__(self) -> None:
        data, struct = self.data, cast("msgspec.Struct", self)
        # A frozen struct is complete only after this.
        if self.encoding is not None:
            if isinstance(data, str):
                data = base64.b64decode(data, validate=True)
            elif not isinstance(data, bytes):
                raise TypeError("data must be base64, as encoding says")
            force_setattr(struct, "encoding", None)
        force_setattr(struct, "data", encode_data(data))


class DataOut(PayloadOut, frozen=True, kw_only=True):
    """Base of the payloads from the server whose ``data`` may be bytes as a whole.

    To be sent, ``data`` is in its stored form, see :mod:`rtmon.protocol.data_encoding`.

    Attributes:
        data: like JSON, or bytes as a whole.
        encoding: ``base64`` where ``data`` is bytes and the codec has no binary.
    """

    data: Any = None
    encoding: str | None = None


class Position(PayloadIn, frozen=True, kw_only=True):
    """Position in the history of a channel, a room or the chat.

    Attributes:
        epoch: life of the history; a history that was lost begins another epoch.
        offset: number of the latest publication received.
    """

    epoch: Id
    offset: Count


def required(value: str | None, field: str) -> str:
    """Return the value of a field that has several spellings.

    Raises:
        ValueError: the client sent none of them.
    """
    if value is None:
        raise ValueError(f"{field} is missing")
    return value
