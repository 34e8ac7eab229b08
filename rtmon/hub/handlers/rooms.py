"""Entering rooms, leaving them, and speaking there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import ChatIn, JoinRoom, LeaveRoom, RoomIn
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..brokers.base import Recovery
from ..places import room_key
from ..recovery import enter

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS", "speak"]


async def join_room(session: Session, payload: JoinRoom, envelope: Envelope, _: Codec) -> None:
    hub, rooms = session.hub, session.hub.audience.rooms
    room = payload.where or ""
    key = room_key(room)
    await hub.access.check(session, "join", key)
    new = not rooms.has(session, room)
    if new and len(rooms.rooms(session)) >= limits.ROOMS_PER_CLIENT:
        raise ProtocolError(
            "too_many_rooms",
            f"You are in {limits.ROOMS_PER_CLIENT} rooms, the most there may be: leave one first.",
        )
    count = len(rooms.members(room)) + await hub.broker.elsewhere(key)
    if new and count >= limits.MEMBERS_PER_ROOM:
        raise ProtocolError(
            "room_full", f"The room has {count} members, the most there may be.", retry=True
        )

    def answer(recovery: Recovery) -> None:
        session.ack(
            envelope,
            room=room,
            member_count=len(rooms.members(room)) + new + recovery.elsewhere,
            epoch=recovery.epoch,
            offset=recovery.offset,
            recovered=recovery.recovered,
        )

    if not new:
        answer(await hub.broker.recover(key, since=None, age=hub.keep(key)[1]))
        return
    await enter(session, key, payload.since, add=lambda: rooms.join(session, room), answer=answer)
    hub.reception.arrivals.add(key, "came", session.id, session.member)
    await hub.reception.join(key, session)


async def leave_room(session: Session, payload: LeaveRoom, envelope: Envelope, _: Codec) -> None:
    rooms = session.hub.audience.rooms
    room = payload.where
    if room is None:
        left = rooms.rooms(session)
        for name in left:
            await _leave(session, name)
        session.ack(envelope, rooms=left, member_count=0)
        return
    _member(session, room)
    count = await _leave(session, room)
    session.ack(
        envelope, room=room, member_count=len(rooms.members(room)) if count is None else count
    )


async def room_message(session: Session, payload: RoomIn, envelope: Envelope, _: Codec) -> None:
    await speak(session, payload.where or "", payload, envelope)


async def speak(session: Session, room: str, payload: RoomIn | ChatIn, envelope: Envelope) -> None:
    """Say something in a room that one is in."""
    hub = session.hub
    _member(session, room)
    key = room_key(room)
    await hub.access.check(session, "publish", key)
    draft = hub.draft(
        "room_message",
        own_id=envelope.id,
        session=session,
        channel=room,
        text=payload.text,
        data=payload.content() if isinstance(payload, RoomIn) else None,
        echo=hub.options.echo if payload.echo is None else payload.echo,
    )
    sender = session.sender if envelope.id else None
    hub.typing.stop(session, key)
    receipt = await hub.put(key, draft, sender=sender)
    if payload.ack:
        session.published(envelope, receipt)


async def _leave(session: Session, room: str) -> int | None:
    hub = session.hub
    key = room_key(room)
    hub.typing.stop(session, key)
    hub.audience.rooms.leave(session, room)
    session.peer.left(key)
    hub.audience.changed(key)
    hub.reception.arrivals.add(key, "went", session.id, session.member)
    count = await hub.broker.leave(key, session.id)
    await hub.broker.release(key)
    return count


def _member(session: Session, room: str) -> None:
    rooms = session.hub.audience.rooms
    if room not in rooms:
        raise ProtocolError("unknown_room", f"There is no room {room!r}: join it to open it.")
    if not rooms.has(session, room):
        raise ProtocolError("not_in_room", f"You are not in the room {room!r}: join it first.")


HANDLERS = {"join_room": join_room, "leave_room": leave_room, "room_message": room_message}
