"""Presence: records at the broker which clients are in which rooms, and which users are online."""

from __future__ import annotations

import msgspec

from .brokers.base import user_key
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements
from .room_channel_keys import USERS

__all__ = ["PresenceRecorder"]


class PresenceRecorder:
    """Records the clients of this node at the broker, which knows the clients of all nodes.

    Args:
        context: the hub's shared context.
        registry: the connections of this node.
        join_leave: announces users that come online or go offline.
    """

    def __init__(
        self, context: HubContext, registry: ConnectionRegistry, join_leave: JoinLeaveAnnouncements
    ) -> None:
        self._context = context
        self._registry = registry
        self._join_leave = join_leave

    async def join(self, key: str, connection: Connection) -> int:
        """Record that a client is in a room, a channel or the chat.

        Returns:
            The number of members on all nodes.
        """
        broker = self._context.broker
        count = await broker.join(key, connection.member)
        if not connection.open:
            await broker.leave(key, connection.id)  # the connection ended during the await
        return count

    async def leave(self, connection: Connection, places: list[str]) -> None:
        """Record that an ended connection has left all its rooms, channels and the chat."""
        broker = self._context.broker
        if connection.user is not None:
            await self.remove_user(connection, connection.user)
        for place in places:
            await broker.leave(place, connection.id)
            await broker.release(place)

    async def add_user(self, connection: Connection) -> None:
        """Record a connection of a user, and announce the user if it is the first connection."""
        user = connection.user
        if user is None or not connection.open:
            return
        self._registry.users.join(connection.id, user)
        if await self.join(user_key(user), connection) == 1 and connection.open:
            self._join_leave.add(USERS, "joined", user, connection.member)

    async def remove_user(self, connection: Connection, user: str) -> None:
        """Remove a connection of a user. If it was the last one, announce the user as offline."""
        if await self._context.broker.leave(user_key(user), connection.id) == 0:
            member = msgspec.structs.replace(connection.member, user=user)
            self._join_leave.add(USERS, "left", user, member)
