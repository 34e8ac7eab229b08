"""Announcements of joins and leaves in rooms and in the chat, combined into few messages."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..core.reusable_timer import Timer
from ..protocol import catalog, limits
from ..protocol.catalog import Member
from .brokers.base import Note
from .hub_context import HubContext
from .room_channel_keys import USERS

__all__ = ["Change", "JoinLeaveAnnouncements", "JoinLeaveBatch"]

Change: TypeAlias = Literal["joined", "left"]


class JoinLeaveBatch:
    """Collected joins and leaves of one room or of the chat.

    Joins are grouped into one message, and leaves into another. So the order between different
    members may change, but the order of one member's joins and leaves does not.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Change, dict[str, Member]]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def __contains__(self, key: str) -> bool:
        """Return whether the batch has a join or leave of this member."""
        return any(key in members for _, members in self._changes)

    def add(self, change: Change, key: str, member: Member) -> None:
        """Add a join or leave.

        Args:
            change: "joined" or "left".
            key: identifies the member; the same key for the member's join and leave.
            member: the member as clients see it.
        """
        for known, members in reversed(self._changes):
            if known == change:
                members[key] = member
                return
            if key in members:
                break
        self._changes.append((change, {key: member}))

    def rename(self, key: str, member: Member) -> None:
        """Replace the announced name of a member whose join has not been sent yet."""
        for change, members in self._changes:
            if change == "joined" and key in members:
                members[key] = member

    def take(self) -> list[tuple[Change, list[Member]]]:
        """Return the collected joins and leaves in the order to announce, and empty the batch."""
        changes, self._changes = self._changes, []
        return [(change, list(members.values())) for change, members in changes]


class JoinLeaveAnnouncements:
    """Announces joins and leaves, collected for ``options.announce`` seconds.

    Args:
        context: the hub's shared context.
    """

    def __init__(self, context: HubContext) -> None:
        self._context = context
        self._pending: dict[str, JoinLeaveBatch] = {}
        self._timer = Timer(self.flush)

    def add(self, place: str, change: Change, key: str, member: Member) -> None:
        """Collect a join or leave, to announce it within ``options.announce`` seconds.

        Args:
            place: key of the room or of the chat, or ``USERS`` for a user that comes online or goes
                offline.
            change: "joined" or "left".
            key: identifies the member; the same key for the member's join and leave.
            member: the member as clients see it.
        """
        shown = msgspec.structs.replace(member, info=None)
        self._pending.setdefault(place, JoinLeaveBatch()).add(change, key, shown)
        self._timer.set(self._context.options.announce)

    def rename(self, place: str, key: str, member: Member) -> None:
        """Replace the announced name of a member whose join has not been sent yet."""
        if place in self._pending:
            shown = msgspec.structs.replace(member, info=None)
            self._pending[place].rename(key, shown)

    def announce_member(self, place: str, key: str) -> None:
        """Announce the collected changes of a room or of the chat now, if one is of this member.

        Otherwise announce nothing yet, so that a busy room does not get one message per join.
        """
        if place in self._pending and key in self._pending[place]:
            self._flush(place)

    def flush(self) -> None:
        """Announce all collected changes now."""
        for place in list(self._pending):
            self._flush(place)

    def _flush(self, place: str) -> None:
        """Announce the collected changes of one room or of the chat now."""
        pending = self._pending.pop(place, None)
        if pending is None:
            return
        room = place.removeprefix("room:") if place.startswith("room:") else None
        for change, members in pending.take():
            payload = catalog.People(
                client_id=members[0].client_id,
                name=members[0].name,
                user=members[0].user,
                user_count=0,  # each node inserts the count on delivery
                count=len(members),
                users=members[: limits.MEMBERS_LISTED],
                room=room,
            )
            if place == USERS:
                kind = "user_online" if change == "joined" else "user_offline"
            else:
                kind = "user_joined" if change == "joined" else "user_left"
            self._context.broker.send_note(place, Note(type=kind, payload=payload))
