"""Handlers of channels: subscribe, unsubscribe and publish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import Publish, Subscribe, Unsubscribe
from ...protocol.channel_patterns import checked_channel, is_pattern
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..broadcast import Broadcast
from ..brokers.base import Recovery
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..history_recovery import HistoryReplay
from ..hooks import Hooks
from ..hub_context import HubContext
from ..message_checks import MessageChecks
from ..presence import PresenceRecorder
from ..publisher import Publisher
from ..room_channel_keys import channel_key
from . import Handler

__all__ = ["PubSubHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PubSubHandlers:
    """Handles subscriptions to channels and patterns, and publications to channels."""

    context: HubContext
    registry: ConnectionRegistry
    permissions: Permissions
    broadcast: Broadcast
    replay: HistoryReplay
    presence: PresenceRecorder
    publisher: Publisher
    hooks: Hooks
    checks: MessageChecks

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {
            "publish": self.publish,
            "pubsub": self.pubsub,
            "subscribe": self.subscribe,
            "unsubscribe": self.unsubscribe,
        }

    async def subscribe(
        self, connection: Connection, payload: Subscribe, envelope: Envelope, _: Codec
    ) -> None:
        """Subscribe a client to a channel or pattern."""
        subscriptions = self.registry.subscriptions
        channel = payload.channel
        key = channel_key(channel)
        pattern = is_pattern(channel)
        await self.permissions.check(connection, "subscribe", key)
        new = not subscriptions.has(connection, channel)
        if new and len(subscriptions.names(connection)) >= limits.CHANNELS_PER_CLIENT:
            raise ProtocolError(
                "too_many_channels",
                f"You have {limits.CHANNELS_PER_CLIENT} subscriptions, the most there may be: "
                "unsubscribe from one first.",
            )
        if pattern:
            if payload.since is not None:
                raise ProtocolError(
                    "invalid_position",
                    "A pattern has no position: subscribe to each channel to return to where you "
                    "were.",
                )
            self.broadcast.flush_matching(channel)
            subscriptions.add(connection, channel)
            connection.peer.entered(key, None, recovered=None)
            connection.ack(envelope, channel=channel, recoverable=False)
            self.hooks.subscribed(connection, channel, reply_to=envelope.id)
            return

        def answer(recovery: Recovery) -> None:
            connection.ack(
                envelope,
                channel=channel,
                epoch=recovery.epoch,
                offset=recovery.offset,
                recovered=recovery.recovered,
            )

        if not new:
            age = self.context.history_bounds(key)[1]
            answer(await self.context.broker.recover(key, since=None, age=age))
            return
        await self.replay.enter(
            connection,
            key,
            payload.since,
            add=lambda: subscriptions.add(connection, channel),
            answer=answer,
        )
        self.hooks.subscribed(connection, channel, reply_to=envelope.id)
        await self.presence.join(key, connection)

    async def unsubscribe(
        self, connection: Connection, payload: Unsubscribe, envelope: Envelope, _: Codec
    ) -> None:
        """End a client's subscription to a channel or pattern."""
        subscriptions, broker = self.registry.subscriptions, self.context.broker
        channel = payload.channel
        key = channel_key(channel)
        if not subscriptions.has(connection, channel):
            raise ProtocolError("not_subscribed", f"You do not subscribe to {channel!r}.")
        if is_pattern(channel):
            self.broadcast.flush_matching(channel)
            subscriptions.remove(connection, channel)
        else:
            self.broadcast.flush(key)
            subscriptions.remove(connection, channel)
            self.broadcast.changed(key)
            await broker.leave(key, connection.id)
            await broker.release(key)
        connection.peer.left(key)
        connection.ack(envelope, channel=channel)

    async def publish(
        self, connection: Connection, payload: Publish, envelope: Envelope, _: Codec
    ) -> None:
        """Publish a client's data to a channel."""
        channel = checked_channel(payload.channel)
        key = channel_key(channel)
        await self.permissions.check(connection, "publish", key)
        draft = self.context.messages.draft(
            "publication",
            own_id=envelope.id,
            client_id=connection.id,
            name=connection.name,
            channel=channel,
            data=payload.data,
        )
        sender = connection.sender if envelope.id else None
        receipt = await self.publisher.publish(key, draft, sender=sender)
        if payload.ack:
            connection.published(envelope, receipt)
        if not receipt.duplicate:
            self.hooks.published(connection, channel, payload.data, reply_to=envelope.id)

    async def pubsub(
        self, connection: Connection, payload: Any, envelope: Envelope, codec: Codec
    ) -> None:
        """Handle a ``pubsub`` message: publish its payload to the channel in its envelope."""
        # Convert the message to a ``publish`` payload first, so that the validation and the checks
        # of ``publish`` apply.
        shape = {"channel": envelope.channel, "data": payload}
        publish = codec.convert(shape, Publish, of="pubsub")
        publish = await self.checks.pass_through(connection, "publish", publish)
        await self.publish(connection, publish, envelope, codec)
