"""Closing of connections whose token has expired, or whose client has been idle too long."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.reusable_timer import Timer
from ...protocol import catalog, close
from ..connection import Connection
from ..hub_context import HubContext
from .authentication import seconds_left

__all__ = ["Expiry"]

_LONGEST = 60.0
"""Maximum seconds between two checks of a connection. One long timer would be wrong if the wall
clock is changed or the machine is suspended."""

_SHORTEST = 0.001
"""Minimum seconds between two checks of a connection."""


class Expiry:
    """Warns clients before their token expires. Closes connections that are expired or idle.

    Args:
        context: the hub's shared context.
    """

    def __init__(self, context: HubContext) -> None:
        self._context = context
        self._timers: dict[Connection, Timer] = {}
        # Connection → the expiry time of the token for which its client was last warned.
        self._warned: dict[Connection, float | None] = {}

    def stop(self, connection: Connection) -> None:
        """Stop checking a connection that has ended."""
        timer = self._timers.pop(connection, None)
        if timer is not None:
            timer.cancel()
        self._warned.pop(connection, None)

    def check_all(self, connections: Iterable[Connection]) -> None:
        """Check all these connections now, because the options have changed."""
        for connection in list(connections):
            self.check(connection)

    def check(self, connection: Connection) -> None:
        """Check a connection now: warn its client, or close the connection, if that is due.

        The method schedules the next check itself. Call it after the welcome, and each time the
        identity of the client has changed.
        """
        if not connection.open:
            return
        expiring, idle = self._until_expiry(connection), self._until_idle(connection)
        due = min((each for each in (expiring, idle) if each is not None), default=None)
        if due is not None and connection.peer.open:
            timer = self._timers.get(connection)
            if timer is None:
                timer = self._timers[connection] = Timer(lambda: self.check(connection))
            timer.set(min(max(due, _SHORTEST), _LONGEST))

    def _until_expiry(self, connection: Connection) -> float | None:
        """Warn the client or close the connection, if its token expires soon or has expired.

        Returns:
            The seconds until the next check; None if no further check is needed.
        """
        identity = connection.identity
        ttl = seconds_left(identity, self._context.wall())
        if identity is None or ttl is None:
            return None
        if ttl <= 0:
            connection.peer.close(
                close.TOKEN_EXPIRED, "your token has expired: come with a fresh one"
            )
            return None
        notice = self._context.options.expiry_notice
        if ttl > notice:
            return ttl - notice
        if self._warned.get(connection) != identity.expires:
            self._warned[connection] = identity.expires
            connection.send("token_expiring", catalog.Expiring(ttl=ttl), at_once=True)
        return ttl

    def _until_idle(self, connection: Connection) -> float | None:
        """Close the connection if it has been idle for ``idle_timeout``.

        Returns:
            The seconds until it would be closed; None if it is closed now, or if there is no
            timeout.
        """
        timeout = self._context.options.idle_timeout
        if timeout is None:
            return None
        rest = connection.active + timeout - self._context.clock()
        if rest > 0:
            return rest
        connection.peer.close(close.IDLE, f"you sent nothing for {timeout:g} s")
        return None
