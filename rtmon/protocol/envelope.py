"""The envelope around every message: the fields that a client and the server send."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from . import limits
from .field_types import Id

__all__ = ["VERSION", "Envelope", "Message", "Metadata"]

VERSION: Final = "1"
"""The protocol's version. In its ``metadata`` a client may send ``1``, ``1.x``, or no version."""

_Type = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TYPE_LENGTH)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Optional ``metadata`` of a message.

    Attributes:
        version: version of the protocol.
        source: name of the sending program, chosen by that program.
    """

    version: Annotated[str, msgspec.Meta(max_length=limits.VERSION_LENGTH)] | int | None = None
    source: Annotated[str, msgspec.Meta(max_length=limits.SOURCE_LENGTH)] | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A message from a client, whose payload is still encoded.

    Attributes:
        type: the message type, see :mod:`rtmon.protocol.catalog`.
        payload: the encoded payload.
        id: the client's own id for the message. Answers repeat it in ``reply_to``.
        timestamp: accepted but ignored, because the server uses its own clock.
        metadata: version of the protocol, and name of the sending program.
        reply_to: the id of the message that this message answers.
        channel: the channel of a ``pubsub`` message; not in the payload, unlike in ``publish``.
        ack: True if the client wants an ``ack`` for a message of a type that the application added.
            Values other than true are ignored.
    """

    type: _Type
    payload: msgspec.Raw = msgspec.Raw()
    id: Id | None = None
    timestamp: int | float | None = None
    metadata: Metadata | None = None
    reply_to: Id | None = None
    channel: str | None = None
    ack: Any = None


_FROM_SERVER = Metadata(version=VERSION, source="server")


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as the server and :mod:`rtmon.client` send it.

    Attributes:
        id: the message's id.
        type: the message type.
        timestamp: milliseconds since the Unix epoch, by the sender's clock.
        payload: the payload struct of the message type.
        reply_to: the id of the message that this message answers.
        ack: True if the client wants an ``ack``, see :class:`Envelope`. The server never sets it.
        metadata: version of the protocol, and name of the sending program.
    """

    id: str
    type: str
    timestamp: int
    payload: Any
    reply_to: str | None = None
    ack: bool = False
    metadata: Metadata = msgspec.field(default_factory=lambda: _FROM_SERVER)
