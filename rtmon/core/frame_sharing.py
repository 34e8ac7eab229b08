"""Interface for sending one encoded frame to many WebSocket connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

__all__ = ["FrameGroup", "FrameGroupFactory", "Written"]


class Written(Protocol):
    """Statistics of writing the collected messages of a group to its connections.

    Attributes:
        waited: for each message, the seconds from its publication until it was handed to all
            transports.
        delivered: number of messages handed to transports; a message counts once per connection.
        bytes: payload size of all delivered messages, in bytes.
    """

    @property
    def waited(self) -> tuple[float, ...]: ...

    @property
    def delivered(self) -> int: ...

    @property
    def bytes(self) -> int: ...


class FrameGroup(Protocol):
    """WebSocket connections that get the same messages. A message is framed once for all."""

    def __len__(self) -> int: ...

    def __contains__(self, connection: object) -> bool: ...

    def add(self, connection: Any) -> None:
        """Add a connection. It gets the messages that are published from now on."""

    def discard(self, connection: Any) -> None:
        """Remove a connection, after writing all messages published before this call."""

    def publish(
        self,
        message: str | bytes,
        *,
        skip: Iterable[Any] = (),
        on_blocked: Callable[[Any, Any], object] | None = None,
    ) -> None:
        """Send a message to all connections of the group.

        Args:
            message: ``str`` for a text message, ``bytes`` for a binary message.
            skip: connections that do not get the message.
            on_blocked: called with a connection and the message, for each connection to which
                the message cannot be written now.
        """

    def flush(self) -> None:
        """Write the messages that :meth:`publish` has collected to the connections now."""


class FrameGroupFactory(Protocol):
    """Interface of a function that makes an empty :class:`FrameGroup`."""

    def __call__(self, *, on_flushed: Callable[[Written], object]) -> FrameGroup:
        """Make a group without connections.

        Args:
            on_flushed: called with statistics each time that messages were written.
        """
