"""Wire formats of a client: the interface of its encoders, for hubs and for plain servers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..protocol.codecs import Codec

__all__ = ["Ping", "Raw", "Wire"]


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame to write, instead of a message: RFC 6455, section 5.5.2.

    Attributes:
        key: its application data, which the pong repeats.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Raw:
    """A payload that is a complete message already.

    Attributes:
        data: a text or a binary message.
    """

    data: str | bytes


class Wire(Protocol):
    """Encodes messages for one kind of server.

    Attributes:
        codec: of the connection.
        repeatable: message types that are deduplicated by id, so that they may be sent twice.
        ephemeral: message types that are useless later, and are not queued while offline.
        message_size: maximum size of a message in bytes, until the server names its own.
    """

    @property
    def codec(self) -> Codec:
        """See above."""

    @property
    def repeatable(self) -> Collection[str]:
        """See above."""

    @property
    def ephemeral(self) -> Collection[str]:
        """See above."""

    @property
    def message_size(self) -> int:
        """See above."""

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
            reply_to: the id of the message that this one answers.
            attach: True if bytes may follow the envelope unencoded.
            ack: ask for an answer to a message of the application's own.

        Raises:
            OptionError: it cannot be sent.
        """

    def batch(self, parts: list[str | bytes], *, key: str, timestamp: int) -> str | bytes:
        """Join encoded messages to one message."""

    def ping(self, *, key: str, timestamp: int) -> str | bytes | Ping:
        """Return a ping, whose answer acknowledges everything that was sent before."""
