"""Processing of a client's ``connect`` and ``refresh`` messages, and the ``welcome`` answer."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.batch_buffer import Batch
from ..protocol import catalog, close, limits
from ..protocol.catalog import BatchSpec, Connect
from ..protocol.envelope import VERSION, Envelope
from .admission.authentication import Authentication, Credentials, seconds_left
from .admission.connection_expiry import Expiry
from .broadcast import Broadcast
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements
from .presence import PresenceRecorder
from .room_channel_keys import CHAT

__all__ = ["ConnectMessages"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConnectMessages:
    """Applies the name, user id, info and token that a client sends.

    If the client is authenticated, its name and user id cannot be changed.
    """

    context: HubContext
    registry: ConnectionRegistry
    broadcast: Broadcast
    presence: PresenceRecorder
    join_leave: JoinLeaveAnnouncements
    authentication: Authentication
    expiry: Expiry

    async def introduce(self, connection: Connection, payload: Connect, envelope: Envelope) -> None:
        """Apply a client's ``connect`` message, and answer with ``welcome``.

        Args:
            connection: the client's connection.
            payload: the payload of the message.
            envelope: the envelope of the message.

        Raises:
            ProtocolError: the token is not valid, or the broker cannot be reached.
        """
        elsewhere = await self.context.broker.elsewhere(CHAT)
        if payload.token is not None:
            await self.refresh(connection, payload.token)
        await self._rename(connection, payload)
        if payload.session is not None:
            connection.secret = payload.session
        if payload.heartbeat is not None:
            connection.heartbeat.start(payload.heartbeat)
        count = len(self.registry.connections) + elsewhere
        connection.send("welcome", self.welcome(connection, count), reply_to=envelope.id)
        if isinstance(payload.batch, BatchSpec):
            self._batch(connection, Batch(size=payload.batch.size, delay=payload.batch.delay))
        elif payload.batch is not None:
            self._batch(connection, Batch() if payload.batch else None)

    async def refresh(self, connection: Connection, token: str) -> None:
        """Apply a fresh token of a client. Without authentication, the token is ignored.

        Raises:
            ProtocolError: the token is not valid. The previous token then stays in force.
        """
        known, peer = connection.identity, connection.peer
        if known is None:
            return
        shown = Credentials(token=token, address=peer.remote, transport=peer.transport)
        user = await self.authentication.refresh(known, shown)
        if known.permissions - user.permissions:
            # Subscriptions that only the old token allows would continue. So close the connection:
            # when the client reconnects, the hub checks each subscription again.
            peer.close(close.TOKEN_EXPIRED, "your new token has fewer permissions: reconnect")
            return
        connection.identity = user
        self.expiry.check(connection)

    def welcome(
        self, connection: Connection, user_count: int, *, recovered: bool | None = None
    ) -> catalog.Welcome:
        """Return the payload of ``welcome`` for a client.

        Args:
            connection: the client's connection.
            user_count: number of connections on all nodes.
            recovered: True if no chat message was lost since the position that the client sent,
                else False. None if the client sent no position.
        """
        epoch, offset = connection.position
        options = self.context.options
        return catalog.Welcome(
            client_id=connection.id,
            name=connection.name,
            user=connection.user,
            session=connection.secret,
            user_count=user_count,
            protocol=VERSION,
            server=options.name,
            epoch=epoch,
            offset=offset,
            recovered=recovered,
            ttl=seconds_left(connection.identity, self.context.wall()),
            limits=catalog.Limits(
                message_size=options.max_size,
                file_chunk=limits.FILE_CHUNK_MAX,
                rate=options.rate,
                burst=options.burst,
            ),
        )

    async def _rename(self, connection: Connection, payload: Connect) -> None:
        """Apply the name, user id and info of a ``connect`` message.

        Omitted fields stay unchanged. So do the name and user id of an authenticated client.
        """
        name, user = payload.name, payload.user
        if connection.identity is not None:
            name = user = None
        before, connection.user = connection.user, user or connection.user
        if before != connection.user:
            if before is not None:
                self.registry.users.leave(connection.id, before)
                await self.presence.remove_user(connection, before)
            await self.presence.add_user(connection)
        connection.name = name or connection.name
        connection.info = connection.info if payload.info is None else payload.info
        connection.peer.named(connection.name, connection.user)
        for place in self.registry.places(connection):
            self.join_leave.rename(place, connection.id, connection.member)
            await self.presence.join(place, connection)

    def _batch(self, connection: Connection, batching: Batch | None) -> None:
        """Switch batching for a client on or off."""
        connection.batch(batching)
        self.broadcast.receivers.regroup(connection)
