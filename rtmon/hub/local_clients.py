"""The clients that are connected to this node, as objects for the application."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core.option_validation import within
from ..errors import OptionError, ProtocolError
from ..protocol import catalog, close
from ..protocol.field_types import checked_name, explain
from .application_input import own_message
from .client_handle import Client
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .hub_context import HubContext
from .room_membership import RoomMembership

__all__ = ["LocalClient", "LocalClients", "checked_room"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalClients:
    """Creates the application's handles of clients on this node.

    Attributes:
        context: the hub's shared context.
        registry: the connections of this node.
        membership: adds clients to rooms and removes them.
    """

    context: HubContext
    registry: ConnectionRegistry
    membership: RoomMembership

    def of(self, connection: Connection) -> LocalClient:
        """Return the application's handle of a connection's client."""
        return LocalClient(connection, self)

    def find(self, client_id: str) -> LocalClient | None:
        """Return the client with this id; None if no such client is connected to this node."""
        connection = self.registry.connections.get(client_id)
        return None if connection is None else self.of(connection)

    def all(self) -> list[Client]:
        """Return all clients of this node, in the order of their welcome."""
        return [self.of(connection) for connection in self.registry.connections.values()]

    def members(self, room: str) -> list[Client]:
        """Return the clients of this node that are in a room, in the order of joining."""
        return [self.of(connection) for connection in self.registry.rooms.members(room)]

    def close_idle(self, seconds: float) -> int:
        """Close the idle clients of this node; see :meth:`rtmon.hub.Hub.close_idle`."""
        within("seconds", seconds, 0.0, math.inf)
        latest = self.context.clock() - seconds
        idle = [each for each in self.registry.connections.values() if each.active <= latest]
        idle = [connection for connection in idle if connection.peer.open]
        for connection in idle:
            connection.peer.close(close.IDLE, f"you sent nothing for {seconds:g} s")
        return len(idle)


class LocalClient(Client):
    """Handle of a client that is connected to this node.

    Args:
        connection: the client's connection.
        node: the parts of the hub that the handle uses.
    """

    __slots__ = ("_connection", "_node")

    def __init__(self, connection: Connection, node: LocalClients) -> None:
        super().__init__(connection.id)
        self._connection = connection
        self._node = node

    @property
    def name(self) -> str:
        return self._connection.name

    @property
    def user(self) -> str | None:
        return self._connection.user

    @property
    def address(self) -> str | None:
        return self._connection.peer.remote

    @property
    def transport(self) -> str:
        return self._connection.peer.transport

    @property
    def path(self) -> str | None:
        return self._connection.peer.path

    @property
    def rooms(self) -> Sequence[str]:
        return self._node.registry.rooms.groups(self._connection)

    @property
    def subscriptions(self) -> Sequence[str]:
        return self._node.registry.subscriptions.names(self._connection)

    @property
    def since(self) -> float:
        return self._connection.since

    @property
    def idle(self) -> float:
        return max(0.0, self._node.context.clock() - self._connection.active)

    @property
    def open(self) -> bool:
        return self._connection.open and self._connection.peer.open

    async def send(self, type: str, payload: Any = None) -> None:  # noqa: A002
        kind, encoded = own_message(type, payload)
        self._check_open()
        if not self._connection.send(kind, encoded):
            raise self._gone()

    async def close(self, code: int = close.NORMAL, reason: str = "") -> None:
        self._connection.peer.close(code, reason)

    async def join(self, room: str) -> bool:
        name = checked_room(room)
        self._check_open()
        return await self._node.membership.join(self._connection, name)

    async def leave(self, room: str) -> bool:
        name = checked_room(room)
        self._check_open()
        left = await self._node.membership.leave(self._connection, name)
        if left is None:
            return False
        # Inform the client itself, because only the remaining members get the announcement.
        self._connection.send("user_left", self._left(name, left))
        return True

    def _left(self, room: str, user_count: int) -> catalog.People:
        """Return the payload of the ``user_left`` message for the client itself."""
        member = msgspec.structs.replace(self._connection.member, info=None)
        return catalog.People(
            client_id=member.client_id,
            name=member.name,
            user=member.user,
            user_count=user_count,
            count=1,
            users=[member],
            room=room,
        )

    def _check_open(self) -> None:
        """Raise ProtocolError if the client has disconnected."""
        if not self.open:
            raise self._gone()

    def _gone(self) -> ProtocolError:
        """Return the error for a client that has disconnected."""
        return ProtocolError("unknown_client", f"The client {self.id!r} has disconnected.")


def checked_room(room: Any) -> str:
    """Return the name of a room as a plain str, after validation.

    Raises:
        OptionError: ``room`` is not a valid room name.
    """
    try:
        return checked_name(room)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{room!r:.200} cannot be the name of a room: {explain(error)}."
        ) from None
