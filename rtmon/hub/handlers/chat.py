"""Handlers of chat messages, private messages and typing indicators."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ProtocolError
from ...protocol import catalog
from ...protocol.catalog import ChatIn, PrivateIn, Typing
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..brokers.base import Note
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..hub_context import HubContext
from ..publisher import Publisher
from ..room_channel_keys import CHAT, client_key, room_key
from ..typing_indicator import TypingIndicators
from . import Handler
from .rooms import RoomHandlers

__all__ = ["ChatHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChatHandlers:
    """Handles messages to the chat or to a single client, and typing indicators."""

    context: HubContext
    registry: ConnectionRegistry
    permissions: Permissions
    publisher: Publisher
    typing: TypingIndicators
    rooms: RoomHandlers

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {
            "chat_message": self.chat_message,
            "private_message": self.private_message,
            "typing_end": self.typing_end,
            "typing_start": self.typing_start,
        }

    async def chat_message(
        self, connection: Connection, payload: ChatIn, envelope: Envelope, _: Codec
    ) -> None:
        """Publish a message to the chat, or to the room that the payload names."""
        if payload.where is not None:
            await self.rooms.publish(connection, payload.where, payload, envelope)
            return
        await self.permissions.check(connection, "publish", CHAT)
        draft = self.context.messages.draft(
            "chat_message",
            own_id=envelope.id,
            client_id=connection.id,
            name=connection.name,
            text=payload.text,
            echo=self.context.options.echo if payload.echo is None else payload.echo,
        )
        self.typing.stop(connection, CHAT)
        sender = connection.sender if envelope.id else None
        receipt = await self.publisher.publish(CHAT, draft, sender=sender)
        if payload.ack:
            connection.published(envelope, receipt)

    async def private_message(
        self, connection: Connection, payload: PrivateIn, envelope: Envelope, _: Codec
    ) -> None:
        """Send a message to a single client on any node."""
        to = payload.where or ""
        # Check the permission before the lookup. Otherwise a client without the permission could
        # find out which clients are connected.
        await self.permissions.check(connection, "send", client_key(to))
        message = catalog.PrivateMessage(
            sender=connection.id,
            name=connection.name,
            user=connection.user,
            to=to,
            timestamp=self.context.messages.milliseconds(),
            text=payload.text,
            data=payload.data,
        )
        self.typing.stop(connection, client_key(to))
        target = self.registry.connections.get(to)
        if target is not None:
            target.send("private_message", message)
        else:
            note = Note(type="private_message", payload=message)
            if not await self.context.broker.send(to, note):
                raise _unknown(to)
        if payload.ack:
            connection.ack(envelope)

    async def typing_start(
        self, connection: Connection, payload: Typing, _: Envelope, __: Codec
    ) -> None:
        """Announce that the client is typing."""
        place = await self._place(connection, payload)
        if payload.to is None:
            await self.permissions.check(connection, "publish", place)
        self.typing.start(connection, place)

    async def typing_end(
        self, connection: Connection, payload: Typing, _: Envelope, __: Codec
    ) -> None:
        """Announce that the client stopped typing."""
        # No permission check is needed: a client without the permission cannot have started typing.
        if payload.to is not None:
            self.typing.stop(connection, client_key(payload.to))
        else:
            self.typing.stop(connection, await self._place(connection, payload))

    async def _place(self, connection: Connection, payload: Typing) -> str:
        """Return the key of the room, the chat or the client to which the sender is typing.

        Raises:
            ProtocolError: the receiver does not exist, or the sender may not send there.
        """
        to = payload.to
        if to is not None:
            await self.permissions.check(connection, "send", client_key(to))
            if to not in self.registry.connections and not await self.context.broker.has_client(to):
                raise _unknown(to)
            return client_key(to)
        room = payload.where
        if room is None:
            return CHAT
        if not self.registry.rooms.has(connection, room):
            raise ProtocolError("not_in_room", f"You are not in the room {room!r}: join it first.")
        return room_key(room)


def _unknown(client_id: str) -> ProtocolError:
    return ProtocolError(
        "unknown_client", f"Nobody here has the client id {client_id!r}: ask presence who is."
    )
