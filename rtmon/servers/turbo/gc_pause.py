"""Pause Python's garbage collector while hundreds of connections a second are being opened.

The collector scans all live objects whenever their number has grown by a quarter. While thousands
of connections are being opened, it scans again and again. This takes up to a third of the server's
CPU time and finds no garbage. So the collector is paused during a connection storm. The pause
applies to the whole process, so it is short. The first collection after it finds the garbage. If
the program has switched the collector off, it stays off.

An ended connection can be garbage that only the collector finds, together with the messages that it
received, because `websockets` keeps exceptions whose tracebacks refer to the connection. So a pause
ends when connections end. Otherwise clients that connect and leave at once could fill the memory.
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
"""Number of connections opened within :data:`WITHIN` seconds that start a pause."""

WITHIN = 0.5
"""Length of the time window in which opened connections are counted, in seconds."""

CALM = 2.0
"""Seconds without a connection storm after which a pause ends. Thousands of clients that reconnect
after an outage need less time than this."""

LONGEST = 10.0
"""Longest duration of a pause, in seconds."""


LEFT = 64
"""A pause ends when this number of connections have ended during the pause."""


class GCPause:
    """Creates connections, and pauses the garbage collector during a connection storm.

    Args:
        create: creates a connection.
        calm: seconds without a connection storm after which a pause ends. After a pause, at least
            a quarter of this time passes before the next pause begins.
        longest: longest duration of a pause, in seconds.
        now: returns monotonic seconds.
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
        """Return a GCPause for a connection class. The class calls :meth:`lost` for each end.

        Args:
            connection_class: the class. Its attribute ``on_lost`` is set.
        """
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
                # On a thread: the pause must end even if the event loop is blocked.
                threading.Thread(target=self._pause, name="rtmon-gc-pause", daemon=True).start()
        return self._create(*args, **kwargs)

    def lost(self) -> None:
        """Count a connection that has ended; after enough of them, end the pause."""
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
