"""Handlers of requests for presence and history."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ProtocolError
from ...protocol import catalog, limits
from ...protocol.catalog import HistoryIn, PresenceIn
from ...protocol.channel_patterns import checked_channel
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..hub_context import HubContext
from ..outgoing_messages import Outgoing, fitting
from ..room_channel_keys import CHAT, channel_key, room_key, to_message
from . import Handler

__all__ = ["PresenceHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PresenceHandlers:
    """Handles requests for the members, or for the history, of a room, a channel or the chat."""

    context: HubContext
    registry: ConnectionRegistry
    permissions: Permissions

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {"history": self.history, "presence": self.presence}

    async def presence(
        self, connection: Connection, payload: PresenceIn, envelope: Envelope, _: Codec
    ) -> None:
        """Answer with the members of a room, of a channel or of the chat."""
        key = _key(payload)
        await self.permissions.check(connection, "presence", key)
        # A channel takes precedence if the request names both a channel and a room.
        room = payload.where if payload.channel is None else None
        present = await self.context.broker.present(key, limit=limits.MEMBERS_LISTED)
        answer = catalog.Presence(
            count=present.count, members=present.members, channel=payload.channel, room=room
        )
        connection.send("presence", answer, reply_to=envelope.id)

    async def history(
        self, connection: Connection, payload: HistoryIn, envelope: Envelope, _: Codec
    ) -> None:
        """Answer with one page of the history of a room, of a channel or of the chat."""
        broker, codec = self.context.broker, connection.codec
        key = _key(payload)
        if payload.where is not None and not self.registry.rooms.has(connection, payload.where):
            raise ProtocolError(
                "not_in_room", f"You are not in the room {payload.where!r}: join it first."
            )
        if payload.channel is not None:
            await self.permissions.check(connection, "subscribe", key)
        since = payload.since
        asked = None if since is None else (since.epoch, since.offset)
        age = self.context.history_bounds(key)[1]
        recovery = await broker.recover(key, since=asked, age=age)
        if since is None:
            recovery = await broker.recover(key, since=(recovery.epoch, 0), age=age)
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
        connection.send("history", answer, reply_to=envelope.id)


def _key(payload: PresenceIn | HistoryIn) -> str:
    """Return the key of the room, the channel or the chat that a request names."""
    if payload.channel is not None:
        return channel_key(checked_channel(payload.channel))
    return CHAT if payload.where is None else room_key(payload.where)
