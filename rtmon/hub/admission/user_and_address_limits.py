"""Limits for each user and each address: number of connections, and rate of their messages.

Without a configured limit, no state is kept. The rate limit of a single connection is in
:class:`~rtmon.hub.admission.connection_rate_limit.ConnectionRate`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from ...core.ip_addresses import network
from ...core.rate_limiter import RateLimiter
from ...core.token_bucket import Bucket
from ...errors import OptionError, ProtocolError
from ...protocol import close, limits
from ..connection import Connection
from ..hub_context import HubContext
from ..membership_index import MembershipIndex
from .authentication import User
from .connection_rate_limit import Budget

__all__ = ["ConnectionLimits", "RateLimits"]


_BYTE_BURST = 0.5
"""Size of a burst, in seconds: the bytes that the byte rate allows in this time may arrive
at once."""

_LOOK = 1.0
"""Seconds between two checks whether a connection that waits for its byte rate has ended."""


class ConnectionLimits:
    """Limits the number of connections: in total, of each user and of each address.

    Args:
        context: the hub's shared context.

    Attributes:
        connections: all connections, including those that are not authenticated yet.
    """

    def __init__(self, context: HubContext) -> None:
        self.connections: set[Connection] = set()
        self._context = context
        # "user ID" or "address NETWORK" → connections.
        self._groups: MembershipIndex[Connection] = MembershipIndex()
        self._reserved = 0

    @contextlib.contextmanager
    def reserve(self) -> Iterator[None]:
        """Context manager: count a client that authenticates before its connection exists.

        Raises:
            ProtocolError: the server is full.
        """
        self._check_total(self._reserved)
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def add(self, connection: Connection) -> None:
        """Count a connection, before its client is authenticated.

        Raises:
            ProtocolError: the server is full, or the address has too many connections.
        """
        self._check_total()
        address = connection.address
        if address is not None:
            most = self._context.options.connections_per_address
            self._make_room(f"address {address}", most)
            self._groups.join(connection, f"address {address}")
        self.connections.add(connection)

    def add_user(self, connection: Connection, user: User) -> None:
        """Count a connection for its authenticated user.

        Raises:
            ProtocolError: the user has too many connections.
        """
        self._make_room(f"user {user.id}", self._context.options.connections_per_user)
        self._groups.join(connection, f"user {user.id}")

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended or was refused."""
        self.connections.discard(connection)
        self._groups.leave_all(connection)

    def _check_total(self, reserved: int = 0) -> None:
        """Raise ProtocolError if the server has its maximum number of connections."""
        if len(self.connections) + reserved >= self._context.options.max_connections:
            raise ProtocolError("full", "The server is full; come back later.", retry=True)

    def _make_room(self, group: str, most: int | None) -> None:
        """Enforce the maximum number of connections of a user or address before one is added.

        By the option ``at_limit``, either the new connection is refused or the oldest one is
        closed.

        Raises:
            ProtocolError: the new connection is refused.
        """
        members = self._groups.members(group)
        if most is None or len(members) < most:
            return
        if self._context.options.at_limit == "refuse":
            raise ProtocolError(
                "too_many_connections",
                f"Your {group.partition(' ')[0]} has {len(members)} connections, the most there "
                "may be: close one first.",
                retry=True,
            )
        # Close unauthenticated connections first, so that they cannot displace authenticated ones.
        oldest = next((one for one in members if not one.welcomed), None) or next(iter(members))
        self._groups.leave_all(oldest)
        oldest.peer.close(close.REPLACED, "you have newer connections, the most there may be")


class RateLimits:
    """Rate limits for the messages of each connection, and of all connections of a user or address.

    Args:
        context: the hub's shared context.
        authenticated: True if clients must authenticate.

    Raises:
        OptionError: a limit for users is set, but clients do not authenticate.
    """

    def __init__(self, context: HubContext, *, authenticated: bool) -> None:
        options = context.options
        if not authenticated and (options.connections_per_user or options.user_rate):
            # Without authentication, a client could claim another user's id and use up that user's
            # limit.
            raise OptionError(
                "connections_per_user and user_rate need auth: without it, who somebody is is only "
                "their word."
            )
        self._context = context
        self._by_user = self._limiter(options.user_rate, options.user_burst)
        self._by_address = self._limiter(options.address_rate, options.address_burst)
        self._shares = not (self._by_user is None and self._by_address is None)

    def check_address(self, remote: str | None) -> None:
        """Count a new connection against the rate limit of its address.

        Called before the client is authenticated, because authentication is costly.

        Raises:
            ProtocolError: the address has exceeded its rate limit.
        """
        address = network(remote)
        if address is None or self._by_address is None:
            return
        now = self._context.clock()
        bucket = self._by_address.bucket(address)
        if wait := bucket.wait(now):
            raise ProtocolError(
                "rate_limited",
                "Too much comes from your address: come back later.",
                retry=True,
                retry_after=wait,
            )
        bucket.take()

    def take(self, connection: Connection, now: float) -> float:
        """Take a token for a message.

        Returns:
            0.0 if the message is accepted, else the seconds until it would be accepted.
        """
        shared = self._shared(connection) if self._shares else ()
        return connection.limiter.take(now, shared)

    def budget(self, connection: Connection, now: float) -> Budget:
        """Return how many messages a client may send, by all limits that apply to it."""
        shared = self._shared(connection) if self._shares else ()
        return connection.limiter.budget(now, shared)

    async def pace(self, connection: Connection) -> None:
        """Apply the byte rate limit: wait until the bytes received so far are within the rate.

        The caller reads nothing from the connection meanwhile. At least one event loop iteration
        passes, so that other connections are served.
        """
        options = self._context.options
        now = asyncio.get_running_loop().time
        bucket = connection.byte_bucket
        if bucket is None:
            burst = max(options.byte_rate * _BYTE_BURST, options.max_size)
            bucket = Bucket(rate=options.byte_rate, burst=burst, now=now())
            connection.byte_bucket = bucket
        bucket.wait(now())  # refills the bucket
        bucket.take(connection.unpaced)
        connection.unpaced = 0
        await asyncio.sleep(0)  # let other connections be served
        # No event reports the end of the connection to this loop. So the loop itself checks
        # whether the connection is open.
        while connection.open and connection.peer.open:
            wait = bucket.wait(now())
            if not wait:
                break
            await asyncio.sleep(min(wait, _LOOK))

    def refund(self, connection: Connection, size: int) -> None:
        """Exempt a client's last message, of ``size`` bytes, from the rate limits.

        Called for a message that another limit covers.
        """
        connection.unpaced -= size
        connection.limiter.refund()
        if self._shares:
            for bucket in self._shared(connection):
                bucket.put_back()

    def _limiter(self, rate: float | None, burst: int) -> RateLimiter | None:
        """Return a rate limiter with one bucket per user or address; None if ``rate`` is None."""
        if rate is None:
            return None
        return RateLimiter(
            rate=rate, burst=burst, capacity=limits.KEYS_LIMITED, clock=self._context.clock
        )

    def _shared(self, connection: Connection) -> tuple[Bucket, ...]:
        """Return the buckets of the connection's user and of its address."""
        found = []
        if self._by_user is not None and connection.identity is not None:
            found.append(self._by_user.bucket(connection.identity.id))
        if self._by_address is not None and connection.address is not None:
            found.append(self._by_address.bucket(connection.address))
        return tuple(found)
