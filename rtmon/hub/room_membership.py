"""Membership of rooms: clients are added and removed here, for a client or for the program."""

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
    """Which clients are in which rooms, within the limits; permissions are checked elsewhere."""

    context: HubContext
    registry: ConnectionRegistry
    broadcast: Broadcast
    replay: HistoryReplay
    presence: PresenceRecorder
    join_leave: JoinLeaveAnnouncements
    typing: TypingIndicators
    hooks: Hooks
    # A lock lives as long as it is held or waited for.
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
        """Add a client to a room. Returns False if it was in the room before.

        Args:
            connection: the client's.
            room: the room.
            since: the position that the client returns with.
            answer: called with the room's position and its number of members, before the client
                gets what it missed.
            reply_to: id of the client's message, for the error if a hook fails.

        Raises:
            ProtocolError: the client is in too many rooms, the room is full, the position was
                never reached, or the broker cannot be reached.
        """
        if connection.held is not None:  # the client is not welcomed yet
            connection.held.rooms[room] = None
            return True
        async with self._turn(connection):
            return await self._join(connection, room, since, answer, reply_to)

    async def leave(
        self, connection: Connection, room: str, *, reply_to: str | None = None
    ) -> int | None:
        """Remove a client from a room. Returns how many members are left; None if it was not in."""
        if connection.held is not None:
            connection.held.rooms.pop(room, None)
            return None
        async with self._turn(connection):
            return await self._leave(connection, room, reply_to)

    def _turn(self, connection: Connection) -> asyncio.Lock:
        """Return a lock: the client and the program may both move the client, at the same time."""
        return self._turns.setdefault(connection, asyncio.Lock())

    async def _join(
        self,
        connection: Connection,
        room: str,
        since: Position | None,
        answer: Callable[[Recovery, int], object],
        reply_to: str | None,
    ) -> bool:
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
        rooms, broker = self.registry.rooms, self.context.broker
        if len(rooms.groups(connection)) >= limits.ROOMS_PER_CLIENT:
            raise ProtocolError(
                "too_many_rooms",
                f"You are in {limits.ROOMS_PER_CLIENT} rooms, the most there may be: leave one "
                "first.",
            )
        elsewhere = await broker.elsewhere(room_key(room))
        count = len(rooms.members(room)) + elsewhere
        if count >= limits.MEMBERS_PER_ROOM:
            raise ProtocolError(
                "room_full", f"The room has {count} members, the most there may be.", retry=True
            )
