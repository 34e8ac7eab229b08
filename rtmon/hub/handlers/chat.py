"""Speaking to everybody or to one, and being seen to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ProtocolError
from ...protocol import catalog
from ...protocol.catalog import ChatIn, PrivateIn, Typing
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..brokers.base import Note
from ..places import CHAT, client_key, room_key
from .rooms import speak

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS"]


async def chat_message(session: Session, payload: ChatIn, envelope: Envelope, _: Codec) -> None:
    hub = session.hub
    if payload.where is not None:
        await speak(session, payload.where, payload, envelope)
        return
    await hub.access.check(session, "publish", CHAT)
    draft = hub.draft(
        "chat_message",
        own_id=envelope.id,
        session=session,
        text=payload.text,
        echo=hub.options.echo if payload.echo is None else payload.echo,
    )
    hub.typing.stop(session, CHAT)
    receipt = await hub.put(CHAT, draft, sender=session.sender if envelope.id else None)
    if payload.ack:
        session.published(envelope, receipt)


async def private_message(
    session: Session, payload: PrivateIn, envelope: Envelope, _: Codec
) -> None:
    hub, to = session.hub, payload.where or ""
    # Before it is looked for: who may not speak to others does not learn who is here either.
    await hub.access.check(session, "send", client_key(to))
    message = catalog.PrivateMessage(
        sender=session.id,
        name=session.name,
        user=session.user,
        to=to,
        timestamp=hub.milliseconds(),
        text=payload.text,
        data=payload.content(),
    )
    hub.typing.stop(session, client_key(to))
    target = hub.audience.sessions.get(to)
    if target is not None:
        target.send("private_message", message)
    elif not await hub.broker.send(to, Note(type="private_message", payload=message)):
        raise _unknown(to)
    if payload.ack:
        session.ack(envelope)


async def typing_start(session: Session, payload: Typing, _: Envelope, __: Codec) -> None:
    place = await _place(session, payload)
    if payload.to is None:
        await session.hub.access.check(session, "publish", place)
    session.hub.typing.start(session, place)


async def typing_end(session: Session, payload: Typing, _: Envelope, __: Codec) -> None:
    # Nobody is asked: where one does not type there is nothing to stop.
    if payload.to is not None:
        session.hub.typing.stop(session, client_key(payload.to))
    else:
        session.hub.typing.stop(session, await _place(session, payload))


async def _place(session: Session, payload: Typing) -> str:
    to = payload.to
    if to is not None:
        await session.hub.access.check(session, "send", client_key(to))
        if to not in session.hub.audience.sessions and not await session.hub.broker.knows(to):
            raise _unknown(to)
        return client_key(to)
    room = payload.where
    if room is None:
        return CHAT
    if not session.hub.audience.rooms.has(session, room):
        raise ProtocolError("not_in_room", f"You are not in the room {room!r}: join it first.")
    return room_key(room)


def _unknown(client_id: str) -> ProtocolError:
    return ProtocolError(
        "unknown_client", f"Nobody here has the client id {client_id!r}: ask presence who is."
    )


HANDLERS = {
    "chat_message": chat_message,
    "private_message": private_message,
    "typing_end": typing_end,
    "typing_start": typing_start,
}
