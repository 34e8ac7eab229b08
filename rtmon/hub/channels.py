"""Who is in which room, and who subscribes to what. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from functools import lru_cache
from typing import Generic, TypeVar

from ..errors import ProtocolError

__all__ = [
    "Rooms",
    "Subscriptions",
    "checked_channel",
    "covers",
    "is_pattern",
    "matches",
    "overlaps",
]

M = TypeVar("M", bound=Hashable)

_CACHED = 10_000


class Rooms(Generic[M]):
    """Members and rooms, both ways; a room that nobody is in does not exist."""

    def __init__(self) -> None:
        self._members: dict[str, dict[M, None]] = {}
        self._rooms: dict[M, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, room: str) -> bool:
        return room in self._members

    def names(self) -> list[str]:
        """All rooms."""
        return list(self._members)

    def has(self, member: M, room: str) -> bool:
        """Whether somebody is in a room."""
        return room in self._rooms.get(member, ())

    def join(self, member: M, room: str) -> int:
        """Somebody is in a room from now on. Returns how many are."""
        members = self._members.setdefault(room, {})
        members[member] = None
        self._rooms.setdefault(member, {})[room] = None
        return len(members)

    def leave(self, member: M, room: str) -> int:
        """Somebody is no longer in a room. Returns how many are."""
        if self.has(member, room):
            del self._members[room][member]
            del self._rooms[member][room]
            if not self._members[room]:
                del self._members[room]
            if not self._rooms[member]:
                del self._rooms[member]
        return len(self._members.get(room, ()))

    def leave_all(self, member: M) -> list[str]:
        """Somebody is in no room any more. Returns the rooms left, in the order of joining."""
        rooms = self.rooms(member)
        for room in rooms:
            self.leave(member, room)
        return rooms

    def members(self, room: str) -> Collection[M]:
        """Who is in a room, in the order of joining; a view that lives on."""
        return self._members.get(room, {}).keys()

    def rooms(self, member: M) -> list[str]:
        """The rooms that somebody is in, in the order of joining."""
        return list(self._rooms.get(member, ()))


class Subscriptions(Generic[M]):
    """Subscribers of channels and of patterns that match channels.

    Attributes:
        version: grows when somebody subscribes to a pattern, or no longer: any channel's
            receivers may be others then.
    """

    def __init__(self) -> None:
        self.version = 0
        self._channels: Rooms[M] = Rooms()
        self._patterns: Rooms[M] = Rooms()
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
        """End all subscriptions of somebody. Returns what they were."""
        names = self.names(member)
        for name in names:
            self.remove(member, name)
        return names

    def has(self, member: M, name: str) -> bool:
        """Whether somebody subscribes to just this channel or pattern."""
        return self._channels.has(member, name) or self._patterns.has(member, name)

    def names(self, member: M) -> list[str]:
        """The channels, then the patterns, that somebody subscribes to."""
        return [*self._channels.rooms(member), *self._patterns.rooms(member)]

    def patterns(self) -> list[tuple[M, str]]:
        """Who subscribes to which pattern."""
        return [
            (member, pattern)
            for pattern in self._patterns.names()
            for member in self._patterns.members(pattern)
        ]

    def receivers(self, channel: str) -> Collection[M]:
        """Who gets what is published to a channel, each once."""
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


def is_pattern(name: str) -> bool:
    """Whether a name stands for several channels.

    Raises:
        ProtocolError: it has a star where none may be.
    """
    if "*" not in name:
        return False
    _compiled(name)
    return True


def checked_channel(name: str) -> str:
    """A name that must be one channel's.

    Raises:
        ProtocolError: it is a pattern.
    """
    if is_pattern(name):
        raise ProtocolError("invalid_channel", f"{name!r} is a pattern: name one channel.")
    return name


def matches(pattern: str, channel: str) -> bool:
    """Whether a pattern stands for a channel, too.

    ``*`` stands for one segment between dots, ``**`` at the end for one or more.
    """
    return _compiled(pattern).fullmatch(channel) is not None


def overlaps(one: str, other: str) -> bool:
    """Whether some channel matches both patterns; a channel's name is a pattern, too."""
    ones, others = one.split("."), other.split(".")
    for a, b in zip(ones, others, strict=False):
        if "**" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(ones) == len(others)


def covers(pattern: str, other: str) -> bool:
    """Whether a pattern matches every channel that another one does."""
    ones, others = pattern.split("."), other.split(".")
    for index, (a, b) in enumerate(zip(ones, others, strict=False)):
        if a == "**":
            # Of at least one character, which * and a segment without any need not have.
            return others[index:] not in (["*"], [""])
        if b == "**" or (a not in ("*", b)):
            return False
    return len(ones) == len(others)


@lru_cache(maxsize=_CACHED)
def _compiled(pattern: str) -> re.Pattern[str]:
    segments = pattern.split(".")
    parts = []
    for index, segment in enumerate(segments):
        if segment == "*":
            parts.append(r"[^.]*")
        elif segment == "**" and index == len(segments) - 1:
            parts.append(r".+")
        elif "*" in segment:
            raise ProtocolError(
                "invalid_channel",
                f"{pattern!r} is no pattern: * stands for a whole segment between dots, ** for "
                "all further ones at the end.",
            )
        else:
            parts.append(re.escape(segment))
    return re.compile(r"\.".join(parts), re.DOTALL)
