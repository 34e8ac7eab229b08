"""Presence of clients in places and of users, on all nodes that share a broker."""

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
    """Keeps the broker's record of which clients are in which places, and which users are online.

    Args:
        context: of the hub.
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
        """Record that a client is in a place. Returns the number of members on all nodes."""
        broker = self._context.broker
        count = await broker.join(key, connection.member)
        if not connection.open:
            await broker.leave(key, connection.id)  # it has ended meanwhile
        return count

    async def leave(self, connection: Connection, places: list[str]) -> None:
        """Record that a connection that has ended is in none of these places any more."""
        broker = self._context.broker
        if connection.user is not None:
            await self.remove_user(connection, connection.user)
        for place in places:
            await broker.leave(place, connection.id)
            await broker.release(place)

    async def add_user(self, connection: Connection) -> None:
        """Record a connection as its user's; the user's first one on any node is announced."""
        user = connection.user
        if user is None or not connection.open:
            return
        self._registry.users.join(connection.id, user)
        if await self.join(user_key(user), connection) == 1 and connection.open:
            self._join_leave.add(USERS, "joined", user, connection.member)

    async def remove_user(self, connection: Connection, user: str) -> None:
        """Record that a connection is no longer a user's; the last one on any node is announced."""
        if await self._context.broker.leave(user_key(user), connection.id) == 0:
            member = msgspec.structs.replace(connection.member, user=user)
            self._join_leave.add(USERS, "left", user, member)
