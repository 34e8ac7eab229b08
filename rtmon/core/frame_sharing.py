"""Interface for sending one frame to many WebSocket connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

__all__ = ["FrameGroup", "FrameGroupFactory", "Written"]


class Written(Protocol):
    """Statistics of one flush of a group.

    Attributes:
        waited: seconds from the publication of each message until all transports had it.
        delivered: messages handed to transports, one for each connection.
        bytes: their payload, in bytes.
    """

    @property
    def waited(self) -> tuple[float, ...]: ...

    @property
    def delivered(self) -> int: ...

    @property
    def bytes(self) -> int: ...


class FrameGroup(Protocol):
    """WebSocket connections that get the same frames; a message is framed once for all of them."""

    def __len__(self) -> int: ...

    def __contains__(self, connection: object) -> bool: ...

    def add(self, connection: Any) -> None:
        """Add a connection, which gets the messages published from now on."""

    def discard(self, connection: Any) -> None:
        """Remove a connection after writing the messages published before."""

    def publish(
        self,
        message: str | bytes,
        *,
        skip: Iterable[Any] = (),
        on_blocked: Callable[[Any, Any], object] | None = None,
    ) -> None:
        """Send a message to all connections.

        Args:
            message: ``str`` for a text message, bytes for a binary one.
            skip: connections that do not get it.
            on_blocked: called with each connection that cannot be written to, and the message.
        """

    def flush(self) -> None:
        """Write the collected messages at once."""


class FrameGroupFactory(Protocol):
    """Makes an empty group."""

    def __call__(self, *, on_flushed: Callable[[Written], object]) -> FrameGroup:
        """Make a group.

        Args:
            on_flushed: called each time that something was written.
        """
