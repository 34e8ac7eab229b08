"""Pause Python's garbage collector while hundreds of connections a second are being opened.

The collector scans all live objects whenever their number has grown by a quarter. While thousands
of connections are being opened, it scans again and again, and takes up to a third of the server's
CPU time without finding garbage. So it is paused during a connection storm. The pause applies to
the whole process, which is why it is short; the first collection afterwards finds the garbage.
Where the collector is off already, it is left alone.

A connection that ends is garbage that only the collector finds, with the messages that it had
received: the library keeps exceptions whose tracebacks refer to it. So a pause ends when
connections end: clients that connect and leave at once cannot fill the memory.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from ...core.flood_protection import Guarded

__all__ = ["CALM", "CROWD", "LEFT", "LONGEST", "WITHIN", "GCPause"]

CROWD = 250
"""Connections opened within :data:`WITHIN` that start a pause."""

WITHIN = 0.5
"""Length of the window in which connections are counted, in seconds."""

CALM = 2.0
"""Seconds without a connection storm after which a pause ends: longer than thousands of clients
need to reconnect after an outage."""

LONGEST = 10.0
"""Longest pause, in seconds."""


LEFT = 64
"""Number of connections whose end during a pause ends the pause."""


class GCPause:
    """Creates connections, and pauses the garbage collector during a connection storm.

    Args:
        create: creates a connection.
        calm: seconds without a storm that end a pause; the next pause starts a quarter of it later
            at the earliest.
        longest: longest pause, in seconds.
        now: reads the monotonic clock, in seconds.
    """

    def __init__(
        self,
        create: Callable[..., Any],
        *,
        calm: float = CALM,
        longest: float = LONGEST,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._create = create
        self._calm = calm
        self._longest = longest
        self._now = now
        self._since = self._crowd = self._rested = now()
        self._count = 0
        self._left = 0
        self._over = threading.Event()

    @classmethod
    def of(cls, connection_class: type[Guarded]) -> Self:
        """Return a factory for connections of a class that reports their ends."""
        pause = cls(connection_class)
        connection_class.on_lost = pause.lost
        return pause

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = self._now()
        if now - self._since > WITHIN:
            self._since, self._count = now, 0
        self._count += 1
        if self._count >= CROWD:
            self._crowd = now
            if now >= self._rested and gc.isenabled():
                self._left = 0
                self._over.clear()
                gc.disable()
                # On a thread, so that the pause ends even if the event loop is blocked.
                threading.Thread(target=self._pause, name="rtmon-gc-pause", daemon=True).start()
        return self._create(*args, **kwargs)

    def lost(self) -> None:
        """Count a connection that has ended."""
        self._left += 1
        if self._left >= LEFT:
            self._over.set()

    def _pause(self) -> None:
        began = now = self._now()
        look = self._calm / 4
        try:
            while now - self._crowd < self._calm and now - began < self._longest:
                over = self._over.wait(look)
                now = self._now()
                if over:
                    break
            self._rested = now + look
        finally:
            gc.enable()
