"""Registry of all connections of a node, with their rooms, subscriptions and users."""

from __future__ import annotations

from collections.abc import Collection

from .connection import Connection
from .membership_index import MembershipIndex
from .room_channel_keys import CHAT, channel_key, room_key
from .subscriptions import Subscriptions

__all__ = ["ConnectionRegistry"]


class ConnectionRegistry:
    """The welcomed connections of this node, with their rooms, subscriptions and users.

    Attributes:
        connections: client id → connection.
        rooms: room → the connections in the room.
        subscriptions: channel or pattern → its subscribed connections.
        users: user id → client ids of the user's connections.
    """

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.rooms: MembershipIndex[Connection] = MembershipIndex()
        self.subscriptions: Subscriptions[Connection] = Subscriptions()
        self.users: MembershipIndex[str] = MembershipIndex()

    def receivers(self, key: str) -> Collection[Connection]:
        """Return the connections that receive the publications of a room or channel, or the chat.

        For the key of a user, return the user's connections.
        """
        if key == CHAT:
            return self.connections.values()
        kind, _, name = key.partition(":")
        if kind == "user":
            return self.user_connections(name)
        return self.rooms.members(name) if kind == "room" else self.subscriptions.receivers(name)

    def members(self, key: str) -> list[Connection]:
        """Return the receivers of a room, a channel or the chat as a list.

        May be called on any thread.
        """
        if key == CHAT:
            return list(self.connections.values())
        kind, _, name = key.partition(":")
        return list(self.rooms.members(name)) if kind == "room" else self.subscriptions.all(name)

    def count(self, key: str) -> int:
        """Return the number of receivers of a room, of a channel or of the chat."""
        return len(self.receivers(key))

    def places(self, connection: Connection) -> list[str]:
        """Return the keys of a connection's rooms and channels, and of the chat; no patterns."""
        rooms = [room_key(room) for room in self.rooms.groups(connection)]
        names = self.subscriptions.names(connection)
        return [CHAT, *rooms, *(channel_key(name) for name in names if "*" not in name)]

    def user_connections(self, user: str) -> list[Connection]:
        """Return the connections of a user, ordered by client id."""
        return [self.connections[id_] for id_ in sorted(self.users.members(user))]
