"""Handlers of messages about the connection: connect, refresh, ping, rate limit, disconnect."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol import catalog, close
from ...protocol.catalog import Connect, Disconnect, Ping, Pong, RateLimitIn, Refresh
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.authentication import seconds_left
from ..admission.user_and_address_limits import RateLimits
from ..connect_message import ConnectMessages
from ..connection import Connection
from ..hub_context import HubContext
from . import Handler

__all__ = ["ConnectionHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConnectionHandlers:
    """Handles messages about the connection itself."""

    context: HubContext
    introductions: ConnectMessages
    rates: RateLimits

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {
            "connect": self.connect,
            "disconnect": self.disconnect,
            "ping": self.ping,
            "pong": self.pong,
            "rate_limit": self.rate_limit,
            "refresh": self.refresh,
        }

    async def connect(
        self, connection: Connection, payload: Connect, envelope: Envelope, _: Codec
    ) -> None:
        """Apply the client's ``connect``, and answer with a new ``welcome``."""
        await self.introductions.introduce(connection, payload, envelope)

    async def rate_limit(
        self, connection: Connection, _: RateLimitIn, envelope: Envelope, __: Codec
    ) -> None:
        """Answer with the client's remaining message budget."""
        budget = self.rates.budget(connection, self.context.clock())
        answer = catalog.RateLimit(
            limit=budget.limit, remaining=budget.remaining, reset=budget.reset
        )
        connection.send("rate_limit", answer, reply_to=envelope.id)

    async def refresh(
        self, connection: Connection, payload: Refresh, envelope: Envelope, _: Codec
    ) -> None:
        """Apply a fresh token of the client."""
        await self.introductions.refresh(connection, payload.token)
        ttl = seconds_left(connection.identity, self.context.wall())
        connection.ack(envelope, ttl=ttl)

    async def disconnect(
        self, connection: Connection, payload: Disconnect, _: Envelope, __: Codec
    ) -> None:
        """Close the connection at the client's request."""
        connection.flush()
        connection.peer.close(close.NORMAL, payload.reason or "as you asked")

    async def ping(
        self, connection: Connection, payload: Ping, envelope: Envelope, _: Codec
    ) -> None:
        """Answer a client's ``ping`` with ``pong``."""
        sent = payload.timestamp
        answer = catalog.Time(
            timestamp=self.context.messages.milliseconds() if sent is None else sent
        )
        connection.send("pong", answer, reply_to=envelope.id, at_once=True)

    async def pong(self, connection: Connection, _: Pong, envelope: Envelope, __: Codec) -> None:
        """Record the client's answer to a ``ping`` of the server."""
        connection.heartbeat.answered(envelope.reply_to)
