"""Introductions: a client's ``connect``, fresh tokens, and the welcome."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.batch_buffer import Batch
from ..protocol import catalog, close, limits
from ..protocol.catalog import BatchSpec, Connect
from ..protocol.envelope import VERSION, Envelope
from .admission.authentication import Authentication, Credentials, seconds_left
from .admission.expiry import Expiry
from .broadcast import Broadcast
from .connection import Connection
from .context import HubContext
from .join_leave import JoinLeave
from .place_keys import CHAT
from .presence import Presence
from .registry import Registry

__all__ = ["Introductions"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Introductions:
    """Takes names and info of clients, as far as their authentication allows."""

    context: HubContext
    registry: Registry
    broadcast: Broadcast
    presence: Presence
    join_leave: JoinLeave
    authentication: Authentication
    expiry: Expiry

    async def introduce(self, connection: Connection, payload: Connect, envelope: Envelope) -> None:
        """Take name, user and info of a client's ``connect``, and welcome the client again."""
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
        """Take a fresh token of a client; without authentication it is ignored.

        Raises:
            ProtocolError: the token is not valid; the one before stays in force.
        """
        known, peer = connection.identity, connection.peer
        if known is None:
            return
        shown = Credentials(token=token, address=peer.remote, transport=peer.transport)
        user = await self.authentication.refresh(known, shown)
        if known.permissions - user.permissions:
            # Subscriptions that were allowed before would go on: a new connection asks anew.
            peer.close(close.TOKEN_EXPIRED, "you may do less than before: come anew")
            return
        connection.identity = user
        self.expiry.check(connection)

    def welcome(
        self, connection: Connection, user_count: int, *, recovered: bool | None = None
    ) -> catalog.Welcome:
        """Return the payload of ``welcome`` for a client."""
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
        """Take the names in ``connect``; those it leaves out, or an identity fixes, stay."""
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
        connection.batch(batching)
        self.broadcast.receivers.regroup(connection)
