"""In-memory table of the members of each channel on one node."""

from __future__ import annotations

from itertools import islice

from ...protocol.catalog import Member

__all__ = ["PresenceStore"]


class PresenceStore:
    """Channel → its members. A channel without members is removed."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Member]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def join(self, channel: str, member: Member) -> int:
        """Add a member to a channel, or update its info. Returns the number of members."""
        members = self._channels.setdefault(channel, {})
        members[member.client_id] = member
        return len(members)

    def leave(self, channel: str, client_id: str) -> int:
        """Remove a member from a channel. Returns the number of members."""
        members = self._channels.get(channel)
        if members is None:
            return 0
        members.pop(client_id, None)
        if not members:
            del self._channels[channel]
        return len(members)

    def has(self, channel: str, client_id: str) -> bool:
        """Return whether a client is a member of a channel."""
        return client_id in self._channels.get(channel, ())

    def count(self, channel: str) -> int:
        """Return the number of members of a channel."""
        return len(self._channels.get(channel, ()))

    def members(self, channel: str, *, limit: int) -> list[Member]:
        """Return the first ``limit`` members of a channel, in the order of joining."""
        return list(islice(self._channels.get(channel, {}).values(), limit))
