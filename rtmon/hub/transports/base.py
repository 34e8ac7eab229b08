"""What a transport hands to the hub for each connection."""

from __future__ import annotations

import abc

from ...protocol.codecs import Codec
from ...protocol.incoming import Position

__all__ = ["Peer"]


class Peer(abc.ABC):
    """One connection, as the hub sees it.

    A transport makes a Peer for each connection, gives it to :meth:`rtmon.hub.Hub.open`, then
    awaits :meth:`~rtmon.hub.Session.receive` for each message, in order, and calls
    :meth:`~rtmon.hub.Session.closed` once when the connection has ended. None of the methods
    here blocks or raises: a peer in trouble must not trouble others.

    Attributes:
        transport: the transport's name.
        codec: what the connection speaks.
        remote: address of the other end; None if there is none to know.
        binary: whether the transport can carry binary messages.
    """

    transport: str
    codec: Codec
    remote: str | None = None
    binary: bool = True

    @abc.abstractmethod
    def send(self, data: str | bytes) -> bool:
        """Queue a message in order; text or binary by its type.

        Returns:
            False if it was not queued, because the connection is closed or too slow.
        """

    @abc.abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Begin to end the connection; what was queued before goes out first if it can."""

    @property
    @abc.abstractmethod
    def waiting(self) -> int:
        """Bytes that are queued and have not left."""

    def named(self, name: str) -> None:  # noqa: B027 (a hook: most transports have no use for it)
        """The client has said what it is called."""

    def entered(  # noqa: B027 (a hook: for transports that keep their clients' positions)
        self, key: str, at: Position | None, *, recovered: bool | None
    ) -> None:
        """The client is in a place, before it is told so.

        Args:
            key: the place, as the hub names it.
            at: what it has of the place ends here; None for a pattern, which has no position.
            recovered: whether nothing was lost since it was there; None if it did not say.
        """

    def left(self, key: str) -> None:  # noqa: B027 (a hook)
        """The client is no longer in a place."""

    def errored(self) -> None:  # noqa: B027 (a hook)
        """A message of this client was answered with an error."""

    def measured(self, rtt: float) -> None:  # noqa: B027 (a hook)
        """A ``ping`` message was answered, after so many seconds."""
