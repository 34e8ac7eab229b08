"""The interface of a client's encoders: one for hubs, one for plain servers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..protocol.codecs import Codec

__all__ = ["Ping", "Raw", "Wire"]


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame (RFC 6455, 5.5.2) that is to be written instead of a message.

    Attributes:
        key: application data of the ping frame, which the pong frame repeats.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Raw:
    """A payload that is a complete WebSocket message already.

    Attributes:
        data: the text or binary message.
    """

    data: str | bytes


class Wire(Protocol):
    """Interface: encodes messages for one kind of server.

    Attributes:
        codec: the codec of the connection.
        repeatable: message types whose duplicates the server detects by the message id, so that
            they may be sent twice.
        ephemeral: message types that are useful only when sent immediately. They are not queued
            while the client is disconnected.
        message_size: maximum size of a message in bytes, until the server reports its own limit.
    """

    @property
    def codec(self) -> Codec:
        """Codec of the connection."""

    @property
    def repeatable(self) -> Collection[str]:
        """Message types that may be sent twice, because the server detects duplicates."""

    @property
    def ephemeral(self) -> Collection[str]:
        """Message types that are not queued while the client is disconnected."""

    @property
    def message_size(self) -> int:
        """Maximum size of a message, in bytes."""

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
            payload: its payload.
            key: the message's id.
            timestamp: milliseconds since 1970.
            reply_to: id of the message that this message answers.
            attach: True if binary data may be appended to the message unencoded.
            ack: True to request an answer from the server, for the application's own message types.

        Raises:
            OptionError: the payload cannot be encoded.
        """

    def batch(self, parts: list[str | bytes], *, key: str, timestamp: int) -> str | bytes:
        """Join encoded messages into one WebSocket message."""

    def ping(self, *, key: str, timestamp: int) -> str | bytes | Ping:
        """Return a ping. The answer to it acknowledges all messages that were sent before."""
