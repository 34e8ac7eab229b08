"""The envelope of every message, in both directions."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from . import limits
from .field_types import Id

__all__ = ["VERSION", "Envelope", "Message", "Metadata"]

VERSION: Final = "1"
"""The protocol's version. A client may say ``1`` or ``1.x`` in its metadata, or nothing."""

_Type = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TYPE_LENGTH)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Version of the protocol, and the program that speaks it.

    Attributes:
        version: of the protocol.
        source: name of the program that sends, of its own choice.
    """

    version: Annotated[str, msgspec.Meta(max_length=limits.VERSION_LENGTH)] | int | None = None
    source: Annotated[str, msgspec.Meta(max_length=limits.SOURCE_LENGTH)] | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a client sends it: the payload still encoded, its type not yet known.

    Attributes:
        type: of the payload, see :mod:`rtmon.protocol.catalog`.
        payload: the encoded payload.
        id: the client's own id for the message; answers name it in ``reply_to``.
        timestamp: taken but not used: the server's clock is the one that counts.
        reply_to: the id of the message that this one answers.
        channel: stands beside the payload in the ``pubsub`` shape.
        ack: True if the client wants an ``ack`` of an application's own message in any case; other
            values mean nothing.
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
        timestamp: milliseconds since the Unix epoch, by the sender's clock.
        ack: see :class:`Envelope`; the server sends none.
    """

    id: str
    type: str
    timestamp: int
    payload: Any
    reply_to: str | None = None
    ack: bool = False
    metadata: Metadata = msgspec.field(default_factory=lambda: _FROM_SERVER)
