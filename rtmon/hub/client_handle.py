"""The object by which the application uses one client of a hub: read its state, send, close."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from ..protocol import close

__all__ = ["Client"]


class Client(abc.ABC):
    """A client that is connected to a hub, as the application sees it.

    Two objects are equal if they stand for the same client, and a client may be a key of a dict. If
    the client is connected to this node, its attributes are always current. If it is connected to
    another node, the attributes have the values at the time of :meth:`rtmon.hub.Hub.find`.

    Attributes:
        id: the client id. Messages, events and the connections table use the same id.
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
        """The display name: the client's own claim, or the name of the authenticated user."""

    @property
    @abc.abstractmethod
    def user(self) -> str | None:
        """The user id: the client's own claim, or the authenticated user's id; None if neither."""

    @property
    @abc.abstractmethod
    def address(self) -> str | None:
        """Network address of the client, ``host:port``; None if unknown."""

    @property
    @abc.abstractmethod
    def transport(self) -> str:
        """Name of the client's transport, such as ``websocket``, ``sse`` or ``socketio``."""

    @property
    @abc.abstractmethod
    def path(self) -> str | None:
        """Path of the URL that the client connected to, without the query; None if unknown."""

    @property
    @abc.abstractmethod
    def rooms(self) -> Sequence[str]:
        """Names of the rooms that the client is in, in the order of joining."""

    @property
    @abc.abstractmethod
    def subscriptions(self) -> Sequence[str]:
        """Names that the client subscribes to: channels first, then patterns."""

    @property
    @abc.abstractmethod
    def since(self) -> float:
        """Time when the client connected, in Unix seconds."""

    @property
    @abc.abstractmethod
    def idle(self) -> float:
        """Seconds since the client last sent a message other than a heartbeat."""

    @property
    @abc.abstractmethod
    def open(self) -> bool:
        """False once the client is known to be disconnected."""

    @abc.abstractmethod
    async def send(
        self,
        type: str,  # noqa: A002 - the field's name on the wire
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Send a message to the client.

        Args:
            type: a message type of the application, as for :meth:`rtmon.hub.Hub.broadcast`.
            payload: a dict of JSON values; None sends an empty dict.

        Raises:
            OptionError: the type or the payload cannot be sent.
            ProtocolError: the client has disconnected (``unknown_client``).
        """

    @abc.abstractmethod
    async def close(self, code: int = close.NORMAL, reason: str = "") -> None:
        """Close the client's connection. Queued messages are sent first, if possible.

        Closing a client that has disconnected does nothing.

        Args:
            code: 1000, or 4000 to 4999. After 4000 to 4499 the client reconnects by itself, after
                4500 to 4999 it does not.
            reason: text for people. It is cut to 123 bytes in UTF-8.

        Raises:
            OptionError: a close frame cannot carry this code or reason.
        """

    @abc.abstractmethod
    async def join(self, room: str) -> bool:
        """Add the client to a room, without checking permissions.

        Returns:
            False if the client was a member of the room already.

        Raises:
            OptionError: ``room`` is not a valid room name.
            ProtocolError: the client has disconnected (``unknown_client``) or is in too many rooms
                (``too_many_rooms``), the room is full (``room_full``), or the broker cannot be
                reached (``unavailable``).
        """

    @abc.abstractmethod
    async def leave(self, room: str) -> bool:
        """Remove the client from a room. Returns False if the client was not a member.

        Raises:
            OptionError: ``room`` is not a valid room name.
            ProtocolError: the client has disconnected (``unknown_client``).
        """
