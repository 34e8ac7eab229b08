"""Subscribing to channels and publishing to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import Publish, Subscribe, Unsubscribe
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..brokers.base import Recovery
from ..channels import checked_channel, is_pattern
from ..places import channel_key
from ..recovery import enter

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS"]


async def subscribe(session: Session, payload: Subscribe, envelope: Envelope, _: Codec) -> None:
    hub, channels = session.hub, session.hub.audience.channels
    channel = payload.channel
    pattern = is_pattern(channel)
    await hub.access.check(session, "subscribe", channel_key(channel))
    new = not channels.has(session, channel)
    if new and len(channels.names(session)) >= limits.CHANNELS_PER_CLIENT:
        raise ProtocolError(
            "too_many_channels",
            f"You have {limits.CHANNELS_PER_CLIENT} subscriptions, the most there may be: "
            "unsubscribe from one first.",
        )
    if pattern:
        if payload.since is not None:
            raise ProtocolError(
                "invalid_position",
                "A pattern has no position: subscribe to each channel to return to where you were.",
            )
        hub.audience.flush_matching(channel)
        channels.add(session, channel)
        session.peer.entered(channel_key(channel), None, recovered=None)
        session.ack(envelope, channel=channel, recoverable=False)
        return
    key = channel_key(channel)

    def answer(recovery: Recovery) -> None:
        session.ack(
            envelope,
            channel=channel,
            epoch=recovery.epoch,
            offset=recovery.offset,
            recovered=recovery.recovered,
        )

    if not new:
        answer(await hub.broker.recover(key, since=None, age=hub.keep(key)[1]))
        return
    await enter(
        session, key, payload.since, add=lambda: channels.add(session, channel), answer=answer
    )
    await hub.reception.join(key, session)


async def unsubscribe(session: Session, payload: Unsubscribe, envelope: Envelope, _: Codec) -> None:
    hub = session.hub
    channel = payload.channel
    if not hub.audience.channels.has(session, channel):
        raise ProtocolError("not_subscribed", f"You do not subscribe to {channel!r}.")
    if is_pattern(channel):
        hub.audience.flush_matching(channel)
        hub.audience.channels.remove(session, channel)
    else:
        key = channel_key(channel)
        hub.audience.flush(key)
        hub.audience.channels.remove(session, channel)
        hub.audience.changed(key)
        await hub.broker.leave(key, session.id)
        await hub.broker.release(key)
    session.peer.left(channel_key(channel))
    session.ack(envelope, channel=channel)


async def publish(session: Session, payload: Publish, envelope: Envelope, _: Codec) -> None:
    hub = session.hub
    channel = checked_channel(payload.channel)
    await hub.access.check(session, "publish", channel_key(channel))
    draft = hub.draft(
        "publication",
        own_id=envelope.id,
        session=session,
        channel=channel,
        data=payload.content(),
    )
    sender = session.sender if envelope.id else None
    receipt = await hub.put(channel_key(channel), draft, sender=sender)
    if payload.ack:
        session.published(envelope, receipt)


async def pubsub(session: Session, payload: Any, envelope: Envelope, codec: Codec) -> None:
    # The channel stands beside the payload: put it where publish has it, to be checked there.
    shape = {"channel": envelope.channel, "data": payload}
    await publish(session, codec.convert(shape, Publish, of="pubsub"), envelope, codec)


HANDLERS = {
    "publish": publish,
    "pubsub": pubsub,
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
}
