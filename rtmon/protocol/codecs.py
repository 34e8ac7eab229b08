"""Codecs of the protocol: encode and decode messages as JSON text or as MessagePack.

A codec decodes every payload. A client's bytes are never passed on without decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from ..errors import ProtocolError
from .data_encoding import EncodedData
from .envelope import VERSION, Envelope, Message
from .field_types import explain
from .malformed_messages import Salvaged, salvage
from .payload_bases import DataOut

__all__ = ["CODECS", "JSON", "MSGPACK", "Codec", "for_subprotocol", "select_subprotocol"]

T = TypeVar("T")

_BROKEN = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError, TypeError)
"""Exceptions that msgspec raises for malformed input. A fuzz test in tests/protocol checks that it
raises no others."""


_WHY = 300
"""Maximum number of characters of the decoder's error text that an error message repeats."""


class _OnlyId(msgspec.Struct):
    """Envelope of which only the id is decoded, so that an error can name a broken message."""

    id: str | None = None


class Codec:
    """Encodes and decodes messages in one format.

    Attributes:
        name: ``json`` or ``msgpack``.
        subprotocol: the WebSocket subprotocol by which a client selects this codec.
        binary: True if encoded messages are binary, False if they are text.
    """

    def __init__(self, name: str, module: Any, *, binary: bool) -> None:
        self.name = name
        self.subprotocol = f"rtmon.v{VERSION}.{name}"
        self.binary = binary
        self._module = module
        self._envelopes = module.Decoder(Envelope)
        self._ids = module.Decoder(_OnlyId)
        self._encoder = module.Encoder(enc_hook=_packed if binary else _written)
        self._empty: bytes = module.encode({})

    def __repr__(self) -> str:
        return f"<Codec {self.subprotocol}>"

    def decode(self, data: str | bytes | msgspec.Raw) -> Envelope:
        """Decode a message to its envelope. The payload stays encoded.

        Raises:
            ProtocolError: the data is not a message (``invalid_message``), or the message has
                another protocol version (``unsupported_version``).
        """
        try:
            envelope: Envelope = self._envelopes.decode(data)
        except _BROKEN as error:
            raise ProtocolError(
                "invalid_message",
                f"This is not a message: {_why(error)}. Send an object with at least a type and "
                f"a payload, in {'MessagePack' if self.binary else 'JSON'}.",
            ) from None
        if envelope.metadata is not None and envelope.metadata.version is not None:
            version = str(envelope.metadata.version)
            if version.partition(".")[0] != VERSION:
                raise ProtocolError(
                    "unsupported_version",
                    f"Protocol version {version!r} is not supported. Use version {VERSION}.",
                )
        return envelope

    def salvage_id(self, data: str | bytes | msgspec.Raw) -> str | None:
        """Return the id of a message without decoding the rest of the message.

        Used to name the message in an error. None if the id cannot be read.
        """
        try:
            found: str | None = self._ids.decode(data).id
        except _BROKEN:
            return None
        return found

    def salvage(self, data: str | bytes | msgspec.Raw) -> Salvaged:
        """Return what is readable of a malformed message: its id, and the messages of a batch.

        Never raises.
        """
        return Salvaged(self.salvage_id(data), []) if self.binary else salvage(data)

    def payload(self, raw: msgspec.Raw, kind: type[T], *, of: str) -> T:
        """Decode a payload to a struct.

        Args:
            raw: the payload as it was received. If empty, it is decoded as an empty object.
            kind: the payload type to decode to.
            of: the message type, for the error text.

        Raises:
            ProtocolError: the payload does not have this type (``invalid_payload``).
        """
        try:
            decoded: T = self._module.decode(raw if bytes(raw) else self._empty, type=kind)
        except _BROKEN as error:
            raise ProtocolError(
                "invalid_payload", f"The payload of {of} is invalid: {_why(error)}."
            ) from None
        return decoded

    def convert(self, value: Any, kind: type[T], *, of: str) -> T:
        """Convert a payload that is already decoded to another payload type.

        Raises:
            ProtocolError: the payload does not have this type (``invalid_payload``).
        """
        return self.payload(msgspec.Raw(self._encoder.encode(value)), kind, of=of)

    def encode(self, message: Message) -> str | bytes:
        """Encode a message. Returns text from the JSON codec, bytes from the MessagePack codec."""
        payload = message.payload
        if not self.binary and isinstance(payload, DataOut) and isinstance(payload.data, bytes):
            # JSON carries bytes as base64. The field tells the reader that this text is base64.
            payload = msgspec.structs.replace(payload, encoding="base64")
            message = msgspec.structs.replace(message, payload=payload)
        encoded: bytes = self._encoder.encode(message)
        return encoded if self.binary else encoded.decode()

    def encode_struct(self, value: msgspec.Struct) -> bytes:
        """Encode a struct that is not a message, without an envelope."""
        encoded: bytes = self._encoder.encode(value)
        return encoded

    def raw(self, encoded: str | bytes) -> msgspec.Raw:
        """Wrap an encoded message, so that another message can contain it without re-encoding."""
        return msgspec.Raw(encoded)


def _written(value: Any) -> msgspec.Raw:
    """Embed a stored value into JSON without encoding it again."""
    if type(value) is EncodedData:
        return msgspec.Raw(value.json)
    raise TypeError(f"a {type(value).__name__} cannot be sent to every client")


def _packed(value: Any) -> msgspec.Raw:
    """Embed a stored value into MessagePack without encoding it again."""
    if type(value) is EncodedData:
        return msgspec.Raw(value.msgpack)
    raise TypeError(f"a {type(value).__name__} cannot be sent to every client")


def _why(error: Exception) -> str:
    """Return the reason why decoding failed, as text for the client, in at most 300 characters."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeError):
        return "its text is not valid UTF-8"
    # The decoder's error text repeats its input, which can be long.
    text = explain(error)
    text = text if len(text) <= _WHY else f"{text[:_WHY]}…"
    return text.rstrip(".") or type(error).__name__


JSON: Final = Codec("json", msgspec.json, binary=False)
MSGPACK: Final = Codec("msgpack", msgspec.msgpack, binary=True)

CODECS: Final[dict[str, Codec]] = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}
"""Subprotocol → codec. The preferred codec comes first."""


def for_subprotocol(subprotocol: str | None) -> Codec:
    """Return the codec of a connection. Without an agreed subprotocol, it is JSON."""
    return CODECS.get(subprotocol or "", JSON)


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the first of the client's offered subprotocols that has a codec; None if none has."""
    return next((name for name in offered if name in CODECS), None)
