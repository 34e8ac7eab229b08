"""Subscribers of channels and patterns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from ..protocol.channel_patterns import is_pattern, matches
from .membership_index import MembershipIndex

__all__ = ["Subscriptions"]

M = TypeVar("M", bound=Hashable)

_CACHED = 10_000
"""Channels whose matching subscribers are kept."""


class Subscriptions(Generic[M]):
    """Subscribers of channels and of patterns that match channels.

    Attributes:
        version: grows with each change of a pattern's subscribers, which may change the receivers
            of any channel.
    """

    def __init__(self) -> None:
        self.version = 0
        self._channels: MembershipIndex[M] = MembershipIndex()
        self._patterns: MembershipIndex[M] = MembershipIndex()
        self._matched: dict[str, dict[M, None]] = {}

    def add(self, member: M, name: str) -> None:
        """Subscribe to a channel or a pattern.

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
        """End a subscription. Returns whether there was one."""
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
        """Return the channels, then the patterns, of a member."""
        return [*self._channels.groups(member), *self._patterns.groups(member)]

    def patterns(self) -> list[tuple[M, str]]:
        """Return each subscription to a pattern, as (member, pattern)."""
        return [
            (member, pattern)
            for pattern in self._patterns.names()
            for member in self._patterns.members(pattern)
        ]

    def receivers(self, channel: str) -> Collection[M]:
        """Return the subscribers of a channel, including those by patterns, each once."""
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
        """Return the same in a list; on any thread, so nothing is kept for the next call."""
        found = dict.fromkeys(list(self._channels.members(channel)))
        for pattern in self._patterns.names():
            if matches(pattern, channel):
                found.update(dict.fromkeys(list(self._patterns.members(pattern))))
        return list(found)
