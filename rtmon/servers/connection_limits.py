"""Limits of a server that serves a handler: maximum number of connections, and idle timeout.

A hub has its own options for both, which count clients instead of connections.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..core.option_validation import within
from ..core.reusable_timer import Timer
from ..protocol import close

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

__all__ = ["ConnectionPool"]

_LOOKS = 10
"""Number of checks for idle connections within one ``idle_timeout``."""


class ConnectionPool:
    """Refuses connections above a maximum with HTTP 503, and closes idle connections with 4502.

    Args:
        max_connections: maximum number of open connections; None for no limit.
        idle_timeout: seconds in which a client must send a message; None for no limit.

    Attributes:
        limit: maximum number of open connections; None for no limit.
        idle_timeout: seconds in which a client must send a message; None for no limit.
        peak: highest number of open connections so far.
        refused: number of connections refused because of the maximum.
        closed_idle: number of connections closed because their client sent no message in time.

    Raises:
        OptionError: a limit is invalid.
    """

    def __init__(self, *, max_connections: float | None, idle_timeout: float | None) -> None:
        if max_connections is not None:
            within("max_connections", max_connections, 1, 10_000_000)
        if idle_timeout is not None:
            within("idle_timeout", idle_timeout, 0.01, float("inf"))
        self.limit = max_connections
        self.idle_timeout = idle_timeout
        self.peak = 0
        self.refused = 0
        self.closed_idle = 0
        # Connections during the handshake count, too; otherwise many could open at once.
        self._places: set[ServerConnection] = set()
        # Open connection → number of its client's messages, and the time of the last one.
        self._open: dict[ServerConnection, tuple[int, float]] = {}
        self._timer = Timer(self._close_idle)
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Number of open connections."""
        return len(self._open)

    def process_request(
        self, given: Callable[..., Any] | None
    ) -> Callable[[ServerConnection, Request], Any]:
        """Return a ``process_request`` function that applies the maximum number of connections.

        Args:
            given: the user's own ``process_request``; called for connections within the limit.
        """

        def process(connection: ServerConnection, request: Request) -> Any:
            if request.headers.get_all("Upgrade") and not self._take_place(connection):
                return _refusal(connection)
            return None if given is None else given(connection, request)

        return process

    def handler(
        self, given: Callable[[ServerConnection], Awaitable[None]]
    ) -> Callable[[ServerConnection], Awaitable[None]]:
        """Wrap a connection handler, so that each connection it handles is counted as open."""

        async def handle(connection: ServerConnection) -> None:
            if connection in self._places:
                self._open[connection] = _heard(connection), asyncio.get_running_loop().time()
                self.peak = max(self.peak, len(self._open))
                self._look_later()
            await given(connection)

        return handle

    def _take_place(self, connection: ServerConnection) -> bool:
        if self.limit is not None and len(self._places) >= self.limit:
            self.refused += 1
            return False
        self._places.add(connection)
        # `websockets` has no callback for the end of a connection whose handshake failed.
        connection.connection_lost_waiter.add_done_callback(lambda _: self._leave(connection))
        return True

    def _leave(self, connection: ServerConnection) -> None:
        self._places.discard(connection)
        self._open.pop(connection, None)

    def _look_later(self) -> None:
        if self.idle_timeout is not None and self._open:
            self._timer.set(self.idle_timeout / _LOOKS)

    def _close_idle(self) -> None:
        assert self.idle_timeout is not None  # noqa: S101 - the timer is set only with a timeout
        now = asyncio.get_running_loop().time()
        for connection, (heard, since) in list(self._open.items()):
            if (more := _heard(connection)) != heard:
                self._open[connection] = more, now
            elif now - since >= self.idle_timeout:
                # The entry is removed so that the connection is closed only once. The connection
                # still counts as open until it has ended.
                del self._open[connection]
                self.closed_idle += 1
                words = f"you said nothing for {self.idle_timeout:g} s"
                task = asyncio.create_task(connection.close(close.IDLE, words))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._look_later()


def _heard(connection: Any) -> int:
    """Return a number that grows with each message and each fragment from the client."""
    meter = connection.meter
    heard: int = meter.messages_in + meter.bytes_in
    return heard


def _refusal(connection: ServerConnection) -> Response:
    return connection.respond(
        http.HTTPStatus.SERVICE_UNAVAILABLE, "The server is full; come back later.\n"
    )
