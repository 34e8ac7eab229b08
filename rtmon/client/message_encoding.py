"""Encode the messages that a client sends to a hub. No I/O."""

from __future__ import annotations

import base64
from typing import Any

from ..errors import OptionError
from ..protocol import limits
from ..protocol.binary_messages import encode_attached
from ..protocol.catalog import BINARY, EPHEMERAL, INCOMING, REPEATABLE
from ..protocol.codecs import JSON, MSGPACK
from ..protocol.data_encoding import encode_value, plain, plain_text
from ..protocol.envelope import VERSION, Message, Metadata
from .options import ClientOptions

__all__ = ["RtmonWire"]

_METADATA = Metadata(version=VERSION, source="rtmon-python")

_DEPTH = limits.DATA_DEPTH + 1
"""Maximum nesting depth of a payload. The payload object itself is the additional level."""


class RtmonWire:
    """Encodes messages for a hub; implements :class:`rtmon.client.wire_formats.Wire`.

    Attributes:
        codec: the codec of the connection, JSON or MessagePack.
    """

    repeatable = REPEATABLE
    ephemeral = EPHEMERAL
    message_size: int = limits.MESSAGE_SIZE

    def __init__(self, options: ClientOptions) -> None:
        self.codec = MSGPACK if options.codec == "msgpack" else JSON

    def message(
        self,
        kind: str,
        payload: Any,
        *,
        key: str,
        timestamp: int,
        reply_to: str | None = None,
        attach: bool = True,
        ack: bool = False,
    ) -> str | bytes:
        """Encode a message.

        Args:
            kind: the message type.
            payload: a dict of values that :func:`~rtmon.protocol.data_encoding.encode_value`
                accepts. Its ``data`` may be bytes, for message types that carry binary data.
            key: the message's id.
            timestamp: milliseconds since 1970.
            reply_to: id of the message that this message answers.
            attach: True to append binary data to the message unencoded. False to encode the data as
                base64, which makes it a third larger.
            ack: True to request an answer from the server, for the application's own message types.

        Raises:
            OptionError: the payload cannot be encoded.
        """
        attached: Any = None
        data = payload.get("data") if isinstance(payload, dict) else None
        has_bytes = isinstance(data, bytes | bytearray | memoryview)
        if has_bytes and not self.codec.binary and kind not in BINARY:
            raise OptionError(
                f"The data of {kind!r} is bytes, which only {', '.join(sorted(BINARY))} carry: "
                "use base64 text."
            )
        try:
            kind = plain_text(kind)
            if has_bytes:
                rest = plain({**payload, "data": None}, depth=_DEPTH)
                payload = {**rest, "data": bytes(payload["data"])}
            else:
                payload = encode_value(payload, depth=_DEPTH)
        except (TypeError, ValueError) as error:
            raise OptionError(f"The payload of {kind!r} cannot be sent: {error}.") from None
        if has_bytes and not self.codec.binary:
            if attach:
                attached = payload.pop("data")
            else:
                payload["data"] = base64.b64encode(payload["data"]).decode()
                payload["encoding"] = "base64"
        message = Message(
            id=key,
            type=kind,
            timestamp=timestamp,
            payload=payload,
            reply_to=reply_to,
            ack=ack and kind not in INCOMING,
            metadata=_METADATA,
        )
        encoded = self.codec.encode(message)
        if attached is None:
            return encoded
        return encode_attached(
            encoded if isinstance(encoded, bytes) else encoded.encode(), attached
        )

    def batch(self, parts: list[str | bytes], *, key: str, timestamp: int) -> str | bytes:
        """Join encoded messages into a batch. If there is only one message, return it unchanged.

        There may be up to :data:`~rtmon.protocol.limits.BATCH_MAX_MESSAGES` messages.
        """
        if len(parts) == 1:
            return parts[0]
        assert len(parts) <= limits.BATCH_MAX_MESSAGES  # noqa: S101 - ClientOptions ensures it
        payload = {"messages": [self.codec.raw(part) for part in parts]}
        return self.codec.encode(
            Message(id=key, type="batch", timestamp=timestamp, payload=payload, metadata=_METADATA)
        )

    def ping(self, *, key: str, timestamp: int) -> str | bytes:
        """Encode a ``ping`` message."""
        return self.message("ping", {"timestamp": timestamp}, key=key, timestamp=timestamp)
