"""Who is here, and what was said before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ProtocolError
from ...protocol import catalog, limits
from ...protocol.catalog import HistoryIn, PresenceIn
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..channels import checked_channel
from ..encoding import Outgoing, fitting
from ..places import CHAT, channel_key, room_key, to_message

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS"]


async def presence(session: Session, payload: PresenceIn, envelope: Envelope, _: Codec) -> None:
    key = _key(payload)
    await session.hub.access.check(session, "presence", key)
    # Of a channel and a room, the channel counts: whether there is the room was not asked for.
    room = payload.where if payload.channel is None else None
    present = await session.hub.broker.present(key, limit=limits.MEMBERS_LISTED)
    if room is not None and not present.count and room not in session.hub.audience.rooms:
        raise ProtocolError("unknown_room", f"There is no room {room!r}.")
    answer = catalog.Presence(
        count=present.count, members=present.members, channel=payload.channel, room=room
    )
    session.send("presence", answer, reply_to=envelope.id)


async def history(session: Session, payload: HistoryIn, envelope: Envelope, _: Codec) -> None:
    hub, codec = session.hub, session.codec
    key = _key(payload)
    if payload.where is not None and not hub.audience.rooms.has(session, payload.where):
        raise ProtocolError(
            "not_in_room", f"You are not in the room {payload.where!r}: join it first."
        )
    if payload.channel is not None:
        await hub.access.check(session, "subscribe", key)
    since = payload.since
    asked = None if since is None else (since.epoch, since.offset)
    age = hub.keep(key)[1]
    recovery = await hub.broker.recover(key, since=asked, age=age)
    if since is None:
        everything = (recovery.epoch, 0)
        recovery = await hub.broker.recover(key, since=everything, age=age)
    page = recovery.published[: payload.limit]
    sized = []
    for published in page:
        data, size = Outgoing(to_message(published)).encoded(codec)
        sized.append((codec.raw(data), size))
    groups = fitting(sized)
    messages = groups[0] if groups else []
    more = len(messages) < len(recovery.published)
    answer = catalog.History(
        channel=payload.channel,
        room=payload.where,
        messages=messages,
        epoch=recovery.epoch,
        offset=page[len(messages) - 1].offset if more else recovery.offset,
        more=more,
        recovered=since is None or bool(recovery.recovered),
    )
    session.send("history", answer, reply_to=envelope.id)


def _key(payload: PresenceIn | HistoryIn) -> str:
    if payload.channel is not None:
        return channel_key(checked_channel(payload.channel))
    return CHAT if payload.where is None else room_key(payload.where)


HANDLERS = {"history": history, "presence": presence}
