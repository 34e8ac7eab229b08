"""Handlers of rooms: join, leave, and messages to the members."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ProtocolError
from ...protocol.catalog import ChatIn, JoinRoom, LeaveRoom, RoomIn
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..brokers.base import Recovery
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..hub_context import HubContext
from ..publisher import Publisher
from ..room_channel_keys import room_key
from ..room_membership import RoomMembership
from ..typing_indicator import TypingIndicators
from . import Handler

__all__ = ["RoomHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoomHandlers:
    """Handles joining and leaving of rooms, and messages to rooms."""

    context: HubContext
    registry: ConnectionRegistry
    permissions: Permissions
    membership: RoomMembership
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
        """Add the client to a room."""
        room = payload.where or ""
        await self.permissions.check(connection, "join", room_key(room))

        def answer(recovery: Recovery, member_count: int) -> None:
            connection.ack(
                envelope,
                room=room,
                member_count=member_count,
                epoch=recovery.epoch,
                offset=recovery.offset,
                recovered=recovery.recovered,
            )

        await self.membership.join(
            connection, room, since=payload.since, answer=answer, reply_to=envelope.id
        )

    async def leave_room(
        self, connection: Connection, payload: LeaveRoom, envelope: Envelope, _: Codec
    ) -> None:
        """Remove the client from a room, or from all its rooms."""
        rooms = self.registry.rooms
        room = payload.where
        if room is None:
            left = rooms.groups(connection)
            for name in left:
                await self.membership.leave(connection, name, reply_to=envelope.id)
            connection.ack(envelope, rooms=left, member_count=0)
            return
        self._check_member(connection, room)
        count = await self.membership.leave(connection, room, reply_to=envelope.id)
        connection.ack(envelope, room=room, member_count=count or 0)

    async def room_message(
        self, connection: Connection, payload: RoomIn, envelope: Envelope, _: Codec
    ) -> None:
        """Publish a message to a room."""
        await self.publish(connection, payload.where or "", payload, envelope)

    async def publish(
        self, connection: Connection, room: str, payload: RoomIn | ChatIn, envelope: Envelope
    ) -> None:
        """Publish a message to a room. The client must be a member."""
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

    def _check_member(self, connection: Connection, room: str) -> None:
        """Raise ProtocolError if the client is not a member of the room."""
        rooms = self.registry.rooms
        if room not in rooms:
            raise ProtocolError("unknown_room", f"There is no room {room!r}: join it to open it.")
        if not rooms.has(connection, room):
            raise ProtocolError("not_in_room", f"You are not in the room {room!r}: join it first.")
