"""Index of named groups and their members, with lookup by group and by member."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

__all__ = ["MembershipIndex"]

M = TypeVar("M", bound=Hashable)


class MembershipIndex(Generic[M]):
    """Named groups of members, such as rooms of connections. A group without members is removed."""

    def __init__(self) -> None:
        self._members: dict[str, dict[M, None]] = {}
        self._groups: dict[M, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, group: str) -> bool:
        return group in self._members

    def names(self) -> list[str]:
        """Return the names of all groups."""
        return list(self._members)

    def has(self, member: M, group: str) -> bool:
        """Return whether a member is in a group."""
        return group in self._groups.get(member, ())

    def join(self, member: M, group: str) -> int:
        """Add a member to a group. Returns the new size of the group."""
        members = self._members.setdefault(group, {})
        members[member] = None
        self._groups.setdefault(member, {})[group] = None
        return len(members)

    def leave(self, member: M, group: str) -> int:
        """Remove a member from a group. Returns the new size of the group."""
        if self.has(member, group):
            del self._members[group][member]
            del self._groups[member][group]
            if not self._members[group]:
                del self._members[group]
            if not self._groups[member]:
                del self._groups[member]
        return len(self._members.get(group, ()))

    def leave_all(self, member: M) -> list[str]:
        """Remove a member from all its groups. Returns their names, in the order of joining."""
        groups = self.groups(member)
        for group in groups:
            self.leave(member, group)
        return groups

    def members(self, group: str) -> Collection[M]:
        """Return a live view of a group's members, in the order of joining."""
        return self._members.get(group, {}).keys()

    def groups(self, member: M) -> list[str]:
        """Return the names of a member's groups, in the order of joining."""
        return list(self._groups.get(member, ()))
