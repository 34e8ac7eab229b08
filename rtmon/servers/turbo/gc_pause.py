"""Pause Python's garbage collector while hundreds of connections a second are being opened.

The collector goes through all live objects whenever there are a quarter more of them than
the last time; while thousands of connections are being opened, it does so again and again, and
takes up to a third of the server's time without finding anything. So it is paused while a
crowd comes. That holds for the whole process, which is why a pause is short; the first collection
afterwards finds what has become garbage meanwhile. Where the collector is off already, it is left
alone.

A connection that ends is garbage that only the collector finds, with the messages that it had
received: the library keeps exceptions whose tracebacks refer to it. So a pause ends when
connections do, and a crowd that connects and leaves at once cannot fill the memory.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from ...core.guarded_connection import Guarded

__all__ = ["CALM", "CROWD", "LEFT", "LONGEST", "WITHIN", "GCPause"]

CROWD = 250
"""Connections opened within :data:`WITHIN` that start a pause."""

WITHIN = 0.5
"""Length of the window in which connections are counted, in seconds."""

CALM = 2.0
"""Seconds without a crowd after which a pause ends: longer than thousands of clients need to
reconnect after they were cut off."""

LONGEST = 10.0
"""Longest pause, in seconds."""


LEFT = 64
"""Connections that end during a pause, and end it."""


class GCPause:
    """Creates connections, and pauses the garbage collector while a crowd of them comes.

    Args:
        create: creates a connection.
        calm: seconds without a crowd that end a pause; the next comes a quarter of it later at
            the earliest.
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
        """Pause for connections of a class, which tells of their ends."""
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
                # On a thread, so that it ends whatever becomes of the event loop.
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
