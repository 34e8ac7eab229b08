"""The two codecs: JSON as text, MessagePack as binary.

Payloads are decoded, never passed on raw.
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
"""Exceptions that decoding raises for bad input; tests/protocol looks for others."""


_WHY = 300
"""Most characters of the decoder's explanation in an error message."""


class _OnlyId(msgspec.Struct):
    id: str | None = None


class Codec:
    """Encodes and decodes messages.

    Attributes:
        name: ``json`` or ``msgpack``.
        subprotocol: name by which a client offers it.
        binary: true if encoded messages are binary rather than text.
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
        """Decode a message to its envelope, with the payload still encoded.

        Raises:
            ProtocolError: it is not a message; the code is ``invalid_message``, or
                ``unsupported_version``.
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
                    f"Version {version!r} is not spoken here. Speak version {VERSION}.",
                )
        return envelope

    def salvage_id(self, data: str | bytes | msgspec.Raw) -> str | None:
        """Return the id of a message that is not decoded, so that an error can name it."""
        try:
            found: str | None = self._ids.decode(data).id
        except _BROKEN:
            return None
        return found

    def salvage(self, data: str | bytes | msgspec.Raw) -> Salvaged:
        """Return what can be read of a message that cannot be decoded. Never raises."""
        return Salvaged(self.salvage_id(data), []) if self.binary else salvage(data)

    def payload(self, raw: msgspec.Raw, kind: type[T], *, of: str) -> T:
        """Decode a payload.

        Args:
            raw: the payload as it came; nothing at all is an empty object.
            kind: type of the payload.
            of: the message type, for the error.

        Raises:
            ProtocolError: it is something else; the code is ``invalid_payload``.
        """
        try:
            decoded: T = self._module.decode(raw if bytes(raw) else self._empty, type=kind)
        except _BROKEN as error:
            raise ProtocolError(
                "invalid_payload", f"The payload of {of} is not as it should be: {_why(error)}."
            ) from None
        return decoded

    def convert(self, value: Any, kind: type[T], *, of: str) -> T:
        """Convert a payload that is decoded already.

        Raises:
            ProtocolError: as for :meth:`payload`.
        """
        return self.payload(msgspec.Raw(self._encoder.encode(value)), kind, of=of)

    def encode(self, message: Message) -> str | bytes:
        """Encode a message: as text in JSON, as bytes in MessagePack."""
        payload = message.payload
        if not self.binary and isinstance(payload, DataOut) and isinstance(payload.data, bytes):
            # JSON carries bytes as base64, which a reader cannot tell from text unless told.
            payload = msgspec.structs.replace(payload, encoding="base64")
            message = msgspec.structs.replace(message, payload=payload)
        encoded: bytes = self._encoder.encode(message)
        return encoded if self.binary else encoded.decode()

    def encode_struct(self, value: msgspec.Struct) -> bytes:
        """Encode a struct that is no message, as it stands."""
        encoded: bytes = self._encoder.encode(value)
        return encoded

    def raw(self, encoded: str | bytes) -> msgspec.Raw:
        """Wrap an encoded message, to stand inside another one."""
        return msgspec.Raw(encoded)


def _written(value: Any) -> msgspec.Raw:
    """Put a stored value into JSON as it stands."""
    if type(value) is EncodedData:
        return msgspec.Raw(value.json)
    raise TypeError(f"a {type(value).__name__} cannot be sent to every client")


def _packed(value: Any) -> msgspec.Raw:
    """Put a stored value into MessagePack as it stands."""
    if type(value) is EncodedData:
        return msgspec.Raw(value.msgpack)
    raise TypeError(f"a {type(value).__name__} cannot be sent to every client")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeError):
        return "its text is not valid UTF-8"
    # The decoder repeats what it was given, however long that was.
    text = explain(error)
    text = text if len(text) <= _WHY else f"{text[:_WHY]}…"
    return text.rstrip(".") or type(error).__name__


JSON: Final = Codec("json", msgspec.json, binary=False)
MSGPACK: Final = Codec("msgpack", msgspec.msgpack, binary=True)

CODECS: Final[dict[str, Codec]] = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}
"""Subprotocol → codec, the preferred one first."""


def for_subprotocol(subprotocol: str | None) -> Codec:
    """Return the codec of a connection: JSON if no subprotocol was agreed on."""
    return CODECS.get(subprotocol or "", JSON)


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the first of the client's subprotocols that has a codec; None if none has."""
    return next((name for name in offered if name in CODECS), None)
