"""Keepalive of a connection of `websockets` while its peer reads nothing.

The library waits without a deadline until its ping can be written, and the timeout for the pong
begins only then: a peer that is frozen while much waits for it is never found (seen with
websockets 17.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .backpressure import Progress

__all__ = ["StalledPeerWatch"]

_LOOKS = 20
"""Looks in ``ping_timeout``, by a twentieth of which a frozen peer is found late."""


class StalledPeerWatch:
    """Finds a peer that takes nothing for ``ping_timeout`` while a ping waits for its answer.

    A peer that reads slowly takes something now and then, and is left alone.

    Args:
        connection: whose writing may be paused; without a keepalive it is not watched.
        taken: returns a number that grows as the peer takes bytes.
        frozen: called once when such a peer is found.
    """

    __slots__ = ("_connection", "_frozen", "_progress", "_taken", "_timer")

    def __init__(
        self, connection: Any, *, taken: Callable[[], int], frozen: Callable[[], object]
    ) -> None:
        self._connection, self._taken, self._frozen = connection, taken, frozen
        self._progress: Progress | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch: writing is paused."""
        connection = self._connection
        if connection.ping_interval is not None and connection.ping_timeout is not None:
            self._progress = Progress(self._taken(), connection.loop.time())
            self._set_timer()

    def stop(self) -> None:
        """Stop watching: writing goes on, or the connection is gone."""
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
        """Seconds for which the oldest ping has waited for its answer; 0 if none does."""
        connection = self._connection
        pings = getattr(connection, "pending_pings", None)
        if pings is None:  # the name before version 16
            pings = connection.pong_waiters
        _, sent = next(iter(pings.values()), (None, now))
        return now - float(sent)
