"""Joining and leaving rooms, and messages to them."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import ChatIn, JoinRoom, LeaveRoom, RoomIn
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..broadcast import Broadcast
from ..brokers.base import Recovery
from ..connection import Connection
from ..context import HubContext
from ..join_leave import JoinLeave
from ..places import room_key
from ..presence import Presence
from ..publisher import Publisher
from ..recovery import HistoryReplay
from ..registry import Registry
from ..typing_indicator import TypingIndicators
from . import Handler

__all__ = ["RoomHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoomHandlers:
    """Handles the membership of rooms, and messages to them."""

    context: HubContext
    registry: Registry
    permissions: Permissions
    broadcast: Broadcast
    replay: HistoryReplay
    presence: Presence
    join_leave: JoinLeave
    publisher: Publisher
    typing: TypingIndicators

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {
            "join_room": self.join_room,
            "leave_room": self.leave_room,
            "room_message": self.room_message,
        }

    async def join_room(
        self, connection: Connection, payload: JoinRoom, envelope: Envelope, _: Codec
    ) -> None:
        """Add a client to a room."""
        rooms, broker = self.registry.rooms, self.context.broker
        room = payload.where or ""
        key = room_key(room)
        await self.permissions.check(connection, "join", key)
        new = not rooms.has(connection, room)
        if new and len(rooms.groups(connection)) >= limits.ROOMS_PER_CLIENT:
            raise ProtocolError(
                "too_many_rooms",
                f"You are in {limits.ROOMS_PER_CLIENT} rooms, the most there may be: leave one "
                "first.",
            )
        count = len(rooms.members(room)) + await broker.elsewhere(key)
        if new and count >= limits.MEMBERS_PER_ROOM:
            raise ProtocolError(
                "room_full", f"The room has {count} members, the most there may be.", retry=True
            )

        def answer(recovery: Recovery) -> None:
            connection.ack(
                envelope,
                room=room,
                member_count=len(rooms.members(room)) + new + recovery.elsewhere,
                epoch=recovery.epoch,
                offset=recovery.offset,
                recovered=recovery.recovered,
            )

        if not new:
            age = self.context.history_bounds(key)[1]
            answer(await broker.recover(key, since=None, age=age))
            return
        await self.replay.enter(
            connection,
            key,
            payload.since,
            add=lambda: rooms.join(connection, room),
            answer=answer,
        )
        self.join_leave.add(key, "joined", connection.id, connection.member)
        await self.presence.join(key, connection)

    async def leave_room(
        self, connection: Connection, payload: LeaveRoom, envelope: Envelope, _: Codec
    ) -> None:
        """Remove a client from a room, or from all its rooms."""
        rooms = self.registry.rooms
        room = payload.where
        if room is None:
            left = rooms.groups(connection)
            for name in left:
                await self._leave(connection, name)
            connection.ack(envelope, rooms=left, member_count=0)
            return
        self._check_member(connection, room)
        count = await self._leave(connection, room)
        connection.ack(
            envelope, room=room, member_count=len(rooms.members(room)) if count is None else count
        )

    async def room_message(
        self, connection: Connection, payload: RoomIn, envelope: Envelope, _: Codec
    ) -> None:
        """Publish a message to a room."""
        await self.publish(connection, payload.where or "", payload, envelope)

    async def publish(
        self, connection: Connection, room: str, payload: RoomIn | ChatIn, envelope: Envelope
    ) -> None:
        """Publish a message to a room that the client is in."""
        self._check_member(connection, room)
        key = room_key(room)
        await self.permissions.check(connection, "publish", key)
        draft = self.context.messages.draft(
            "room_message",
            own_id=envelope.id,
            client_id=connection.id,
            name=connection.name,
            channel=room,
            text=payload.text,
            data=payload.data if isinstance(payload, RoomIn) else None,
            echo=self.context.options.echo if payload.echo is None else payload.echo,
        )
        sender = connection.sender if envelope.id else None
        self.typing.stop(connection, key)
        receipt = await self.publisher.publish(key, draft, sender=sender)
        if payload.ack:
            connection.published(envelope, receipt)

    async def _leave(self, connection: Connection, room: str) -> int | None:
        key = room_key(room)
        self.typing.stop(connection, key)
        self.registry.rooms.leave(connection, room)
        connection.peer.left(key)
        self.broadcast.changed(key)
        self.join_leave.add(key, "left", connection.id, connection.member)
        count = await self.context.broker.leave(key, connection.id)
        await self.context.broker.release(key)
        return count

    def _check_member(self, connection: Connection, room: str) -> None:
        rooms = self.registry.rooms
        if room not in rooms:
            raise ProtocolError("unknown_room", f"There is no room {room!r}: join it to open it.")
        if not rooms.has(connection, room):
            raise ProtocolError("not_in_room", f"You are not in the room {room!r}: join it first.")
