"""Cut a connection of uvicorn whose peer does not read, or sends after the last response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..core.backpressure import Progress
from ..core.flood_protection import waiting
from ..probes.asgi.application_run import METER

__all__ = ["LINGER", "LingeringClose", "StallWatch", "mark_slow"]

LINGER = 2.0
"""Seconds that a peer has to read the last response; then its connection is dropped. Meanwhile data
from the peer is read and discarded. If a socket were closed with unread data, the operating system
would reset the connection, and the peer could lose the response."""

_LOOKS = 4
"""Number of checks within the timeout of a peer that reads nothing."""


class LingeringClose:
    """A lingering close: end the stream, wait for the peer to close, then cut the connection.

    Args:
        loop: the connection's event loop.
    """

    __slots__ = ("_loop", "_timer", "lingering")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.lingering = False
        """True once data from the peer is discarded."""

    def linger(self, transport: Any, seconds: float = LINGER) -> None:
        """Send the end of the stream. Then discard input until the peer closes or time is up."""
        self.lingering = True
        if transport.can_write_eof():
            transport.resume_reading()
            transport.write_eof()
        else:  # a TLS transport
            transport.close()
        self.drop_after(transport, seconds)

    def drop_after(self, transport: Any, seconds: float = LINGER) -> None:
        """Cut the connection after some seconds.

        ``transport.close()`` alone would wait until the peer has read all queued data.
        """
        self.cancel()
        self._timer = self._loop.call_later(seconds, transport.abort)

    def cancel(self) -> None:
        """Cancel the timer, because the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def mark_slow(scope: Any) -> None:
    """Record in a connection's Meter that it is cut because its peer reads too slowly.

    Args:
        scope: the ASGI scope of the request or WebSocket; None if there is none yet.
    """
    meter = None if scope is None else scope.get(METER)
    if meter is not None:
        meter.too_slow = True


class StallWatch:
    """Drops a connection whose peer reads none of the data queued for it.

    Args:
        transport: the connection's transport.
        loop: the connection's event loop.
        timeout: seconds without progress after which the connection is dropped; None for no limit.
        stalled: called before the connection is dropped.
    """

    __slots__ = ("_loop", "_progress", "_stalled", "_timeout", "_timer", "_transport")

    def __init__(
        self,
        transport: Any,
        loop: asyncio.AbstractEventLoop,
        timeout: float | None,
        *,
        stalled: Callable[[], None],
    ) -> None:
        self._transport, self._loop, self._timeout = transport, loop, timeout
        self._stalled = stalled
        self._progress: Progress | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start watching, because writing is paused."""
        if self._timeout is not None and self._timer is None:
            self._progress = Progress(-waiting(self._transport), self._loop.time())
            self._timer = self._loop.call_later(self._timeout / _LOOKS, self._look, self._timeout)

    def stop(self) -> None:
        """Stop watching, because writing has resumed or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._progress = self._timer = None

    def _look(self, timeout: float) -> None:
        progress = self._progress
        if progress is None:
            return
        # While writing is paused, little data is added. So the buffer shrinks if the peer reads.
        if progress.look(-waiting(self._transport), self._loop.time()) >= timeout:
            self._stalled()
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(timeout / _LOOKS, self._look, timeout)
