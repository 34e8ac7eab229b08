"""Introductions, heartbeats, batches and goodbyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.batching import Batch
from ...errors import ProtocolError
from ...protocol import catalog, close
from ...protocol.catalog import BatchIn, BatchSpec, Connect, Disconnect, Ping, Pong, Refresh
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.authentication import left
from ..places import CHAT

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS"]


async def connect(session: Session, payload: Connect, envelope: Envelope, _: Codec) -> None:
    hub = session.hub
    elsewhere = await hub.broker.elsewhere(CHAT)
    if payload.token is not None:
        await hub.door.refresh(session, payload.token)
    await hub.reception.introduce(session, name=payload.name, user=payload.user, info=payload.info)
    if payload.session is not None:
        session.secret = payload.session
    if payload.heartbeat is not None:
        session.heartbeat.start(payload.heartbeat)
    welcome = hub.reception.welcome(session, len(hub.audience.sessions) + elsewhere)
    session.send("welcome", welcome, reply_to=envelope.id)
    if isinstance(payload.batch, BatchSpec):
        session.batch(Batch(size=payload.batch.size, delay=payload.batch.delay))
    elif payload.batch is not None:
        session.batch(Batch() if payload.batch else None)


async def refresh(session: Session, payload: Refresh, envelope: Envelope, _: Codec) -> None:
    await session.hub.door.refresh(session, payload.token)
    session.ack(envelope, ttl=left(session.identity, session.hub.wall()))


async def disconnect(session: Session, payload: Disconnect, _: Envelope, __: Codec) -> None:
    session.flush()
    session.peer.close(close.NORMAL, payload.reason or "as you asked")


async def ping(session: Session, payload: Ping, envelope: Envelope, _: Codec) -> None:
    asked = payload.timestamp
    answer = catalog.Time(timestamp=session.hub.milliseconds() if asked is None else asked)
    session.send("pong", answer, reply_to=envelope.id, at_once=True)


async def pong(session: Session, _: Pong, envelope: Envelope, __: Codec) -> None:
    session.heartbeat.answered(envelope.reply_to)


async def batch(session: Session, payload: BatchIn, _: Envelope, codec: Codec) -> None:
    for number, raw in enumerate(payload.messages):
        if session.peer.shown_out:
            return
        # The batch itself was counted as its first message.
        if number and not session.admit(raw):
            continue
        try:
            inner = codec.decode(raw)
        except ProtocolError as error:
            session.error(error, reply_to=codec.salvage_id(raw))
            continue
        if inner.type == "batch":
            nested = ProtocolError("invalid_message", "A batch must not hold another batch.")
            session.error(nested, reply_to=inner.id)
        else:
            await session.handle(inner, codec)


HANDLERS = {
    "batch": batch,
    "connect": connect,
    "disconnect": disconnect,
    "ping": ping,
    "pong": pong,
    "refresh": refresh,
}
