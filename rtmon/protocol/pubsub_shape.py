"""The shape in which some clients expect publications: ``{type: "pubsub", channel, payload}``.

A client asks for it in its address, ``?shape=pubsub``. It is a codec of its own, so that each
message is encoded once for all clients that read it in this shape.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..errors import ProtocolError
from .catalog import Publication
from .codecs import JSON, Codec
from .envelope import Message

__all__ = ["PUBSUB", "in_shape"]

SHAPE: Final = "pubsub"


class _Published(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A publication in this shape: the channel beside the payload, which is the data itself."""

    id: str
    type: str
    timestamp: int
    channel: str
    payload: Any
    encoding: str | None = None


class _PubsubCodec(Codec):
    """JSON, with publications in this shape; everything else is as in JSON."""

    def encode(self, message: Message) -> str | bytes:
        publication = message.payload
        if not isinstance(publication, Publication):
            return super().encode(message)
        published = _Published(
            id=message.id,
            type=SHAPE,
            timestamp=message.timestamp,
            channel=publication.channel,
            payload=publication.data,
            # JSON carries bytes as base64, which a reader cannot tell from text unless told.
            encoding="base64" if isinstance(publication.data, bytes) else None,
        )
        return self.encode_struct(published).decode()


PUBSUB: Final = _PubsubCodec("json", msgspec.json, binary=False)


def in_shape(codec: Codec, shape: str | None) -> Codec:
    """Return the codec for a client that asks for a shape.

    Args:
        codec: of its subprotocol.
        shape: what it asks for; None for the codec's own.

    Raises:
        ProtocolError: there is no such shape in this codec; its code is ``invalid_payload``.
    """
    if shape is None:
        return codec
    if shape != SHAPE or codec is not JSON:
        raise ProtocolError(
            "invalid_payload", "The address asks for a shape: pubsub is the only one, in JSON."
        )
    return PUBSUB
