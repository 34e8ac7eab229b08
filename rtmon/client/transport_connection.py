"""Read and write a client's WebSocket connection, and cut the connection when it is dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from ..core.clock import Clock
from ..protocol.close import effective_code
from .reconnection import NOT_WELCOMED
from .wire_formats import Ping

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from .session import ClientSession

__all__ = ["TransportLink"]

logger = logging.getLogger("rtmon.client")

_STALL = 1.0
"""A timer that is more than this many seconds late means that the process was suspended."""


class TransportLink:
    """Moves messages between a client's session and one WebSocket connection.

    Args:
        session: decides what to send, and when the connection is dead.
        connection: an open connection.
        clock: the client's clock.
        passed: called when the session may have events to deliver.
    """

    def __init__(
        self,
        session: ClientSession,
        connection: ClientConnection,
        *,
        clock: Clock,
        passed: Callable[[], None],
    ) -> None:
        self._session = session
        self.connection = connection
        self._now = clock.monotonic
        self._passed = passed
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Write the data that the session wants to send."""
        self._wake.set()

    def abort(self) -> None:
        """Cut the connection without a closing handshake, because the peer no longer answers."""
        self.connection.transport.abort()

    async def run(self, *, welcome_within: float) -> tuple[int, str]:
        """Move messages until the connection has ended.

        Args:
            welcome_within: seconds to wait for the server's welcome message.

        Returns:
            The close code, and the close reason.
        """
        self._session.opened(self._now())
        self._passed()
        tasks = [asyncio.create_task(self._guard(work)) for work in (self._write(), self._watch())]
        expiry = asyncio.get_running_loop().call_later(welcome_within, self._greeted)
        try:
            await self._read()
        finally:
            expiry.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        protocol = self.connection.protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        code = effective_code(
            None if sent is None else sent.code, None if received is None else received.code
        )
        return code, "" if received is None else received.reason

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``, and cut the connection if that raises."""
        try:
            await work
        except Exception:
            logger.exception("the client failed; it reconnects")
            self.abort()

    def _greeted(self) -> None:
        if not self._session.connected:
            self._session.dead = NOT_WELCOMED
            self.abort()

    async def _read(self) -> None:
        session = self._session
        with contextlib.suppress(ConnectionClosed):
            while True:
                session.receive(await self.connection.recv(), self._now())
                self._passed()
                self._wake.set()

    async def _write(self) -> None:
        session = self._session
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._wake.clear()
                while (data := session.next(self._now())) is not None:
                    if isinstance(data, Ping):
                        await self._ping(data.key)
                    else:
                        await self.connection.send(data)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._wake.wait()

    async def _ping(self, key: str) -> None:
        def ponged(answer: asyncio.Future[float]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                return  # the connection has ended; run() reports that
            self._session.ponged(key, self._now())
            self._passed()
            self._wake.set()

        answer: Any = await self.connection.ping(key)
        answer.add_done_callback(ponged)

    async def _watch(self) -> None:
        # The timers run in a task of their own, because the writer waits while the transport
        # accepts no data.
        session = self._session
        while True:
            session.tick(self._now())
            self._passed()
            if session.dead is not None:
                self.abort()
                return
            pause, before = max(0.01, self._pause() or 1.0), self._now()
            await asyncio.sleep(pause)
            if self._now() - before > pause + _STALL:
                # The sleep took much too long: the program was suspended and read no data. So the
                # missing data does not mean that the connection is dead.
                session.heartbeat.heard(self._now())

    def _pause(self) -> float | None:
        """Return the seconds until the session must be called again; at most one second."""
        now = self._now()
        return max(0.001, min(1.0, self._session.due(now) - now))
