"""Joining and leaving of rooms, requested by a client or by the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from ..errors import ProtocolError
from ..protocol import limits
from ..protocol.catalog import Position
from .broadcast import Broadcast
from .brokers.base import Recovery
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .history_recovery import HistoryReplay
from .hooks import Hooks
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements
from .presence import PresenceRecorder
from .room_channel_keys import room_key
from .typing_indicator import TypingIndicators

__all__ = ["RoomMembership"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoomMembership:
    """Adds clients to rooms and removes them, within the limits. It does not check permissions."""

    context: HubContext
    registry: ConnectionRegistry
    broadcast: Broadcast
    replay: HistoryReplay
    presence: PresenceRecorder
    join_leave: JoinLeaveAnnouncements
    typing: TypingIndicators
    hooks: Hooks
    # The dict drops a lock once no task holds it or waits for it.
    _turns: WeakValueDictionary[Connection, asyncio.Lock] = field(
        init=False, default_factory=WeakValueDictionary
    )

    async def join(
        self,
        connection: Connection,
        room: str,
        *,
        since: Position | None = None,
        answer: Callable[[Recovery, int], object] = lambda *_: None,
        reply_to: str | None = None,
    ) -> bool:
        """Add a client to a room. Returns False if the client was a member already.

        Args:
            connection: the client's connection.
            room: the room.
            since: position that the client returns with; None to receive live messages only.
            answer: called with the room's position and its number of members, before the client
                gets missed messages.
            reply_to: id of the client's message, for an error answer if a hook fails.

        Raises:
            ProtocolError: the client is in too many rooms, the room is full, the position does not
                exist yet, or the broker cannot be reached.
        """
        if connection.held is not None:  # the client is not welcomed yet
            connection.held.rooms[room] = None
            return True
        async with self._turn(connection):
            return await self._join(connection, room, since, answer, reply_to)

    async def leave(
        self, connection: Connection, room: str, *, reply_to: str | None = None
    ) -> int | None:
        """Remove a client from a room. Returns the number of remaining members.

        None if the client was not a member.
        """
        if connection.held is not None:
            connection.held.rooms.pop(room, None)
            return None
        async with self._turn(connection):
            return await self._leave(connection, room, reply_to)

    def _turn(self, connection: Connection) -> asyncio.Lock:
        """Return the lock of a connection.

        The client and the application can request joins and leaves at the same time. The lock makes
        these run one after the other.
        """
        return self._turns.setdefault(connection, asyncio.Lock())

    async def _join(
        self,
        connection: Connection,
        room: str,
        since: Position | None,
        answer: Callable[[Recovery, int], object],
        reply_to: str | None,
    ) -> bool:
        """Add a client to a room, while holding the connection's lock."""
        rooms, broker = self.registry.rooms, self.context.broker
        key = room_key(room)
        new = not rooms.has(connection, room)
        if new:
            await self._check_limits(connection, room)

        def tell(recovery: Recovery) -> None:
            answer(recovery, len(rooms.members(room)) + new + recovery.elsewhere)

        if not new:
            age = self.context.history_bounds(key)[1]
            tell(await broker.recover(key, since=None, age=age))
            return False
        await self.replay.enter(
            connection, key, since, add=lambda: rooms.join(connection, room), answer=tell
        )
        self.hooks.joined(connection, room, reply_to=reply_to)
        self.join_leave.add(key, "joined", connection.id, connection.member)
        await self.presence.join(key, connection)
        return True

    async def _leave(self, connection: Connection, room: str, reply_to: str | None) -> int | None:
        """Remove a client from a room, while holding the connection's lock."""
        rooms, broker = self.registry.rooms, self.context.broker
        if not rooms.has(connection, room):
            return None
        key = room_key(room)
        self.typing.stop(connection, key)
        rooms.leave(connection, room)
        self.hooks.left(connection, room, reply_to=reply_to)
        connection.peer.left(key)
        self.broadcast.changed(key)
        self.join_leave.add(key, "left", connection.id, connection.member)
        count = await broker.leave(key, connection.id)
        await broker.release(key)
        return len(rooms.members(room)) if count is None else count

    async def _check_limits(self, connection: Connection, room: str) -> None:
        """Check that the client is not in too many rooms, and that the room is not full.

        Raises:
            ProtocolError: a limit is reached.
        """
        rooms, broker = self.registry.rooms, self.context.broker
        if len(rooms.groups(connection)) >= limits.ROOMS_PER_CLIENT:
            raise ProtocolError(
                "too_many_rooms",
                f"You are in {limits.ROOMS_PER_CLIENT} rooms, which is the limit: leave one first.",
            )
        elsewhere = await broker.elsewhere(room_key(room))
        count = len(rooms.members(room)) + elsewhere
        if count >= limits.MEMBERS_PER_ROOM:
            raise ProtocolError(
                "room_full", f"The room has {count} members, which is the limit.", retry=True
            )
