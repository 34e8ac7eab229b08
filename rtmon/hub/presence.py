"""Who is here. Pure."""

from __future__ import annotations

from itertools import islice

from ..protocol.catalog import Member

__all__ = ["Presence", "Users"]


class Presence:
    """Channel → who is in it; a channel that nobody is in does not exist."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Member]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def join(self, channel: str, member: Member) -> int:
        """Somebody is in the channel, or has other info now. Returns how many are."""
        members = self._channels.setdefault(channel, {})
        members[member.client_id] = member
        return len(members)

    def leave(self, channel: str, client_id: str) -> int:
        """Somebody is no longer in the channel. Returns how many are."""
        members = self._channels.get(channel)
        if members is None:
            return 0
        members.pop(client_id, None)
        if not members:
            del self._channels[channel]
        return len(members)

    def count(self, channel: str) -> int:
        """How many are in the channel."""
        return len(self._channels.get(channel, ()))

    def members(self, channel: str, *, limit: int) -> list[Member]:
        """The first of those who are in the channel, in the order in which they came."""
        return list(islice(self._channels.get(channel, {}).values(), limit))


class Users:
    """User → how many connections they have."""

    def __init__(self) -> None:
        self._connections: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def connected(self, user: str, client_id: str) -> bool:
        """A connection is this user's. Returns whether it is the user's first."""
        connections = self._connections.setdefault(user, set())
        connections.add(client_id)
        return len(connections) == 1

    def disconnected(self, user: str, client_id: str) -> bool:
        """A connection is no longer this user's. Returns whether it was the last."""
        connections = self._connections.get(user)
        if connections is None:
            return False
        connections.discard(client_id)
        if connections:
            return False
        del self._connections[user]
        return True

    def connections(self, user: str) -> list[str]:
        """The ids of a user's connections."""
        return sorted(self._connections.get(user, ()))
