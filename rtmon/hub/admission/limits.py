"""Limits per user and per address: connections at once, and messages of all connections together.

Without a limit nothing is kept. The rate limit of a single connection is its own
:class:`~rtmon.hub.admission.connection_rate.ConnectionRate`.
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
from ..context import HubContext
from ..memberships import Memberships
from .authentication import User
from .connection_rate import Budget

__all__ = ["ConnectionLimits", "RateLimits"]


_BYTE_BURST = 0.5
"""Seconds of the byte rate that may come at once."""

_LOOK = 1.0
"""Seconds after which a connection that waits for its byte rate is looked at: it may have ended."""


class ConnectionLimits:
    """Limits how many connections there are: in total, of each user and of each address.

    Args:
        context: of the hub.

    Attributes:
        connections: all connections, those included that are not authenticated yet.
    """

    def __init__(self, context: HubContext) -> None:
        self.connections: set[Connection] = set()
        self._context = context
        # "user ID" or "address NETWORK" → connections.
        self._groups: Memberships[Connection] = Memberships()
        self._reserved = 0

    @contextlib.contextmanager
    def reserve(self) -> Iterator[None]:
        """Keep room for a client that is being authenticated before it has a connection.

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
        """Count a connection as its authenticated user's.

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
        if len(self.connections) + reserved >= self._context.options.max_connections:
            raise ProtocolError("full", "The server is full; come back later.", retry=True)

    def _make_room(self, group: str, most: int | None) -> None:
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
        # A client that is not authenticated must not push out one that is.
        oldest = next((one for one in members if not one.welcomed), None) or next(iter(members))
        self._groups.leave_all(oldest)
        oldest.peer.close(close.REPLACED, "you have newer connections, the most there may be")


class RateLimits:
    """Limits the messages of each connection, and of all connections of a user or an address.

    Args:
        context: of the hub.
        authenticated: whether clients must authenticate.

    Raises:
        OptionError: users are to be limited, but clients do not authenticate.
    """

    def __init__(self, context: HubContext, *, authenticated: bool) -> None:
        options = context.options
        if not authenticated and (options.connections_per_user or options.user_rate):
            # A client could claim another user's id, and use up that user's limit.
            raise OptionError(
                "connections_per_user and user_rate need auth: without it, who somebody is is only "
                "their word."
            )
        self._context = context
        self._by_user = self._limiter(options.user_rate, options.user_burst)
        self._by_address = self._limiter(options.address_rate, options.address_burst)
        self._shares = not (self._by_user is None and self._by_address is None)

    def check_address(self, remote: str | None) -> None:
        """Take a token for a new connection, before authentication costs the server anything.

        Raises:
            ProtocolError: the address sends too much.
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
            0.0 if the message is accepted, else the seconds until it would be.
        """
        shared = self._shared(connection) if self._shares else ()
        return connection.limiter.take(now, shared)

    def budget(self, connection: Connection, now: float) -> Budget:
        """Return how many messages a client may still send, by all limits that apply to it."""
        shared = self._shared(connection) if self._shares else ()
        return connection.limiter.budget(now, shared)

    async def pace(self, connection: Connection) -> None:
        """Wait until others had their turn, and a connection's bytes so far keep to its byte rate.

        Nothing more is read from it meanwhile.
        """
        options = self._context.options
        now = asyncio.get_running_loop().time
        bucket = connection.byte_bucket
        if bucket is None:
            burst = max(options.byte_rate * _BYTE_BURST, options.max_size)
            bucket = Bucket(rate=options.byte_rate, burst=burst, now=now())
            connection.byte_bucket = bucket
        bucket.wait(now())  # fills it
        bucket.take(connection.unpaced)
        connection.unpaced = 0
        await asyncio.sleep(0)  # others have their turn
        while connection.open and connection.peer.open:  # nothing else tells of the end
            wait = bucket.wait(now())
            if not wait:
                break
            await asyncio.sleep(min(wait, _LOOK))

    def refund(self, connection: Connection, size: int) -> None:
        """Put back the token and bytes of the latest message, which another limit bounds."""
        connection.unpaced -= size
        connection.limiter.refund()
        if self._shares:
            for bucket in self._shared(connection):
                bucket.put_back()

    def _limiter(self, rate: float | None, burst: int) -> RateLimiter | None:
        if rate is None:
            return None
        return RateLimiter(
            rate=rate, burst=burst, capacity=limits.KEYS_LIMITED, clock=self._context.clock
        )

    def _shared(self, connection: Connection) -> tuple[Bucket, ...]:
        found = []
        if self._by_user is not None and connection.identity is not None:
            found.append(self._by_user.bucket(connection.identity.id))
        if self._by_address is not None and connection.address is not None:
            found.append(self._by_address.bucket(connection.address))
        return tuple(found)
