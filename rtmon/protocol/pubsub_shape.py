"""Codec for clients that expect publications as ``{type: "pubsub", channel, payload}``.

A client asks for this shape in its URL: ``?shape=pubsub``. The shape is a codec of its own, so that
each message is encoded once for all clients that use the shape.
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
    """A publication in the pubsub shape: the channel in the envelope, the data as the payload."""

    id: str
    type: str
    timestamp: int
    channel: str
    payload: Any
    encoding: str | None = None


class _PubsubCodec(Codec):
    """JSON codec that encodes publications in the pubsub shape, and other messages as usual."""

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
            # JSON carries bytes as base64. The field tells the reader that this text is base64.
            encoding="base64" if isinstance(publication.data, bytes) else None,
        )
        return self.encode_struct(published).decode()


PUBSUB: Final = _PubsubCodec("json", msgspec.json, binary=False)


def in_shape(codec: Codec, shape: str | None) -> Codec:
    """Return the codec for a client that asks for a shape in its URL.

    Args:
        codec: the codec of the client's subprotocol.
        shape: the value of ``shape`` in the URL; None if the URL has none.

    Raises:
        ProtocolError: the codec does not support this shape (``invalid_payload``).
    """
    if shape is None:
        return codec
    if shape != SHAPE or codec is not JSON:
        raise ProtocolError(
            "invalid_payload",
            "The URL has an unknown shape: the only shape is pubsub, with the JSON codec.",
        )
    return PUBSUB
