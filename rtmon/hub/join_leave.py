"""Announcements of joins and leaves, collected into few messages."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..core.reusable_timer import Timer
from ..protocol import catalog, limits
from ..protocol.catalog import Member
from .brokers.base import Note
from .context import HubContext
from .place_keys import USERS

__all__ = ["Change", "JoinLeave", "JoinLeaveBatch"]

Change: TypeAlias = Literal["joined", "left"]


class JoinLeaveBatch:
    """Joins and leaves of one place, collected in an order that is right for each member. Pure.

    Joins are grouped and so are leaves, so members are not announced in the order of the clock;
    the changes of a single member are.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Change, dict[str, Member]]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def __contains__(self, key: str) -> bool:
        """Return whether a change of a member waits."""
        return any(key in members for _, members in self._changes)

    def add(self, change: Change, key: str, member: Member) -> None:
        """Add a join or leave.

        Args:
            change: which of the two.
            key: identifies the member; the same for a join and the leave that belongs to it.
            member: the member as it is announced.
        """
        for known, members in reversed(self._changes):
            if known == change:
                members[key] = member
                return
            if key in members:
                break
        self._changes.append((change, {key: member}))

    def rename(self, key: str, member: Member) -> None:
        """Announce a join that still waits with other names."""
        for change, members in self._changes:
            if change == "joined" and key in members:
                members[key] = member

    def take(self) -> list[tuple[Change, list[Member]]]:
        """Return the collected changes in the order to announce them, and start anew."""
        changes, self._changes = self._changes, []
        return [(change, list(members.values())) for change, members in changes]


class JoinLeave:
    """Announces joins and leaves of all places, collected for ``options.announce`` seconds.

    Args:
        context: of the hub.
    """

    def __init__(self, context: HubContext) -> None:
        self._context = context
        self._pending: dict[str, JoinLeaveBatch] = {}
        self._timer = Timer(self.flush)

    def add(self, place: str, change: Change, key: str, member: Member) -> None:
        """Announce a join or leave later.

        Args:
            place: the place.
            change: which of the two.
            key: identifies the member; the same for joining and leaving.
            member: the member.
        """
        shown = msgspec.structs.replace(member, info=None)
        self._pending.setdefault(place, JoinLeaveBatch()).add(change, key, shown)
        self._timer.set(self._context.options.announce)

    def rename(self, place: str, key: str, member: Member) -> None:
        """Announce a join that still waits with the member's new names."""
        if place in self._pending:
            shown = msgspec.structs.replace(member, info=None)
            self._pending[place].rename(key, shown)

    def announce_member(self, place: str, key: str) -> None:
        """Announce a place's changes now if one of them is this member's.

        Changes of other members go on waiting: in a busy place each join would be a message.
        """
        if place in self._pending and key in self._pending[place]:
            self._flush(place)

    def flush(self) -> None:
        """Announce all collected changes now."""
        for place in list(self._pending):
            self._flush(place)

    def _flush(self, place: str) -> None:
        pending = self._pending.pop(place, None)
        if pending is None:
            return
        room = place.removeprefix("room:") if place.startswith("room:") else None
        for change, members in pending.take():
            payload = catalog.People(
                client_id=members[0].client_id,
                name=members[0].name,
                user=members[0].user,
                user_count=0,  # filled in where the broker delivers it
                count=len(members),
                users=members[: limits.MEMBERS_LISTED],
                room=room,
            )
            if place == USERS:
                kind = "user_online" if change == "joined" else "user_offline"
            else:
                kind = "user_joined" if change == "joined" else "user_left"
            self._context.broker.send_note(place, Note(type=kind, payload=payload))
