"""Detect a peer that reads nothing, by the keepalive of a `websockets` connection.

The library waits without a deadline until it can write its ping, and only then starts the timeout
of the pong. If a peer stops reading while much data waits to be written, the library never detects
it (seen with websockets 17.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .backpressure import Progress

__all__ = ["StalledPeerWatch"]

_LOOKS = 20
"""Number of checks in ``ping_timeout``. A stalled peer is detected at most a twentieth of
``ping_timeout`` late."""


class StalledPeerWatch:
    """Detects a peer that takes no data for ``ping_timeout`` while a ping waits for its pong.

    A peer that reads slowly takes some data in this time, and is not reported.

    Args:
        connection: the connection to watch while its writing is paused. A connection without a
            keepalive is not watched.
        taken: returns the number of bytes that have left this process for the peer so far.
        frozen: called once when a stalled peer is detected.
    """

    __slots__ = ("_connection", "_frozen", "_progress", "_taken", "_timer")

    def __init__(
        self, connection: Any, *, taken: Callable[[], int], frozen: Callable[[], object]
    ) -> None:
        self._connection, self._taken, self._frozen = connection, taken, frozen
        self._progress: Progress | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start to watch the connection. Call this when writing is paused."""
        connection = self._connection
        if connection.ping_interval is not None and connection.ping_timeout is not None:
            self._progress = Progress(self._taken(), connection.loop.time())
            self._set_timer()

    def stop(self) -> None:
        """Stop watching. Call this when writing resumes or the connection has ended."""
        self._progress = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        connection = self._connection
        self._timer = connection.loop.call_later(connection.ping_timeout / _LOOKS, self._look)

    def _look(self) -> None:
        if self._progress is None:
            return
        now = self._connection.loop.time()
        quiet = self._progress.look(self._taken(), now)
        if min(quiet, self._pinged(now)) >= self._connection.ping_timeout:
            self.stop()
            self._frozen()
        else:
            self._set_timer()

    def _pinged(self, now: float) -> float:
        """Return the seconds for which the oldest ping waits for its pong; 0.0 without a ping."""
        connection = self._connection
        pings = getattr(connection, "pending_pings", None)
        if pings is None:  # websockets 15 and older use the name pong_waiters
            pings = connection.pong_waiters
        _, sent = next(iter(pings.values()), (None, now))
        return now - float(sent)
