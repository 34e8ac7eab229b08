"""A client of a hub, as the program that runs the hub sees it."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from ..protocol import close

__all__ = ["Client"]


class Client(abc.ABC):
    """A client that is connected to a hub: what is known of it, and what can be done with it.

    Two are equal if they are the same client, and a client may be a key of a dict. Its attributes
    are live where it is connected to this node; elsewhere they are as :meth:`rtmon.hub.Hub.find`
    found them.

    Attributes:
        id: the client id: on the wire, in events, in the connections table and here.
    """

    __slots__ = ("id",)

    def __init__(self, client_id: str) -> None:
        self.id = client_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Client {self.id} {self.name!r} {self.transport}>"

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The display name: the client's own claim, or the authenticated user's name."""

    @property
    @abc.abstractmethod
    def user(self) -> str | None:
        """The user id: the client's own claim or the authenticated user's; None if neither."""

    @property
    @abc.abstractmethod
    def address(self) -> str | None:
        """Address of the other end, ``host:port``; None if it is not known."""

    @property
    @abc.abstractmethod
    def transport(self) -> str:
        """Name of the transport, such as ``websocket``, ``sse`` or ``socketio``."""

    @property
    @abc.abstractmethod
    def path(self) -> str | None:
        """Path of the client's address without its query; None if it is not known."""

    @property
    @abc.abstractmethod
    def rooms(self) -> Sequence[str]:
        """Rooms that the client is in, in the order of joining."""

    @property
    @abc.abstractmethod
    def subscriptions(self) -> Sequence[str]:
        """Channels, then patterns, that the client subscribes to."""

    @property
    @abc.abstractmethod
    def since(self) -> float:
        """When the client connected, Unix seconds."""

    @property
    @abc.abstractmethod
    def idle(self) -> float:
        """Seconds since the client last sent a message other than a heartbeat."""

    @property
    @abc.abstractmethod
    def open(self) -> bool:
        """Whether the client is connected; True until the contrary is known."""

    @abc.abstractmethod
    async def send(
        self,
        type: str,  # noqa: A002 - the field's name on the wire
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Send the client a message.

        Args:
            type: the message type: one of your own, as for :meth:`rtmon.hub.Hub.broadcast`.
            payload: a dict of what JSON can hold; an empty one if None.

        Raises:
            OptionError: this cannot be sent.
            ProtocolError: the client is gone (``unknown_client``).
        """

    @abc.abstractmethod
    async def close(self, code: int = close.NORMAL, reason: str = "") -> None:
        """Close the client's connection; what was sent before goes out first if it can.

        Closing a client that is gone does nothing.

        Args:
            code: 1000, or 4000 to 4999: after 4000 to 4499 clients come back by themselves, after
                4500 to 4999 they do not.
            reason: for people; what is beyond 123 bytes in UTF-8 is cut off.

        Raises:
            OptionError: no close frame can say this.
        """

    @abc.abstractmethod
    async def join(self, room: str) -> bool:
        """Add the client to a room; no permission is needed. Returns False if it was in it.

        Raises:
            OptionError: this is no name of a room.
            ProtocolError: the client is gone (``unknown_client``) or in too many rooms
                (``too_many_rooms``), the room is full (``room_full``), or the broker cannot be
                reached (``unavailable``).
        """

    @abc.abstractmethod
    async def leave(self, room: str) -> bool:
        """Remove the client from a room. Returns False if it was not in it.

        Raises:
            OptionError: this is no name of a room.
            ProtocolError: the client is gone (``unknown_client``).
        """
