"""Index of subscribers, by channel and by channel pattern."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from ..protocol.channel_patterns import is_pattern, matches
from .membership_index import MembershipIndex

__all__ = ["Subscriptions"]

M = TypeVar("M", bound=Hashable)

_CACHED = 10_000
"""Maximum number of channels whose subscribers, including those by patterns, are cached."""


class Subscriptions(Generic[M]):
    """Subscribers of channels, and of patterns that match channels.

    Attributes:
        version: grows when the subscribers of a pattern change, which can change the receivers of
            any channel.
    """

    def __init__(self) -> None:
        self.version = 0
        self._channels: MembershipIndex[M] = MembershipIndex()
        self._patterns: MembershipIndex[M] = MembershipIndex()
        self._matched: dict[str, dict[M, None]] = {}

    def add(self, member: M, name: str) -> None:
        """Subscribe a member to a channel or pattern.

        Raises:
            ProtocolError: the pattern is malformed.
        """
        if is_pattern(name):
            self._patterns.join(member, name)
            self._matched.clear()
            self.version += 1
        else:
            self._channels.join(member, name)
            self._matched.pop(name, None)

    def remove(self, member: M, name: str) -> bool:
        """End a subscription. Returns False if there was none."""
        if not self.has(member, name):
            return False
        if is_pattern(name):
            self._patterns.leave(member, name)
            self._matched.clear()
            self.version += 1
        else:
            self._channels.leave(member, name)
            self._matched.pop(name, None)
        return True

    def drop(self, member: M) -> list[str]:
        """End all subscriptions of a member. Returns their channels and patterns."""
        names = self.names(member)
        for name in names:
            self.remove(member, name)
        return names

    def has(self, member: M, name: str) -> bool:
        """Return whether a member subscribes to exactly this channel or pattern."""
        return self._channels.has(member, name) or self._patterns.has(member, name)

    def names(self, member: M) -> list[str]:
        """Return the names that a member subscribes to: channels first, then patterns."""
        return [*self._channels.groups(member), *self._patterns.groups(member)]

    def patterns(self) -> list[tuple[M, str]]:
        """Return all subscriptions to patterns, as (member, pattern)."""
        return [
            (member, pattern)
            for pattern in self._patterns.names()
            for member in self._patterns.members(pattern)
        ]

    def receivers(self, channel: str) -> Collection[M]:
        """Return the subscribers of a channel, directly or by patterns. Each appears once."""
        direct = self._channels.members(channel)
        if not len(self._patterns):
            return direct
        found = self._matched.get(channel)
        if found is None:
            found = dict.fromkeys(direct)
            for pattern in self._patterns.names():
                if matches(pattern, channel):
                    found.update(dict.fromkeys(self._patterns.members(pattern)))
            if len(self._matched) >= _CACHED:
                self._matched.clear()
            self._matched[channel] = found
        return found.keys()

    def all(self, channel: str) -> list[M]:
        """Return the subscribers of a channel, directly or by patterns, as a list.

        May be called on any thread, because it does not use the cache.
        """
        found = dict.fromkeys(list(self._channels.members(channel)))
        for pattern in self._patterns.names():
            if matches(pattern, channel):
                found.update(dict.fromkeys(list(self._patterns.members(pattern))))
        return list(found)
