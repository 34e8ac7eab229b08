"""Who came and who went, collected: a thousand joins are a few messages. Pure."""

from __future__ import annotations

from typing import Literal

from ..protocol.catalog import Member

__all__ = ["Announcer", "Change"]

Change = Literal["came", "went"]


class Announcer:
    """Collects changes until they are taken, in an order that is right for each member.

    Within one batch those who came and those who went are told apart, but members are not told
    in the order of the clock; each member's own changes are.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Change, dict[str, Member]]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def __contains__(self, key: str) -> bool:
        """Whether something is to be told about somebody."""
        return any(key in members for _, members in self._changes)

    def add(self, change: Change, key: str, member: Member) -> None:
        """Somebody came or went.

        Args:
            change: which of the two.
            key: who; the same for a coming and the going that belongs to it.
            member: who, as others are told.
        """
        for known, members in reversed(self._changes):
            if known == change:
                members[key] = member
                return
            if key in members:
                break
        self._changes.append((change, {key: member}))

    def rename(self, key: str, member: Member) -> None:
        """Somebody whose coming is not told yet is to be told otherwise."""
        for change, members in self._changes:
            if change == "came" and key in members:
                members[key] = member

    def take(self) -> list[tuple[Change, list[Member]]]:
        """What was collected, to be told in this order; the collection begins anew."""
        changes, self._changes = self._changes, []
        return [(change, list(members.values())) for change, members in changes]
