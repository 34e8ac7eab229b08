"""Pause Python's garbage collector while hundreds of connections a second are being opened.

The collector goes through all live objects whenever there are a quarter more of them than
the last time; while thousands of connections are being opened, it does so again and again, and
takes more than half of the time without finding anything. So it is paused while a crowd comes.
That holds for the whole process, which is why a pause is short; the first collection afterwards
finds what has become garbage meanwhile. Where the collector is off already, it is left alone.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["CALM", "CROWD", "LONGEST", "WITHIN", "GCPause"]

CROWD = 250
"""Connections opened within :data:`WITHIN` that start a pause."""

WITHIN = 0.5
"""Length of the window in which connections are counted, in seconds."""

CALM = 2.0
"""Seconds without a crowd after which a pause ends: longer than thousands of clients need to
reconnect after they were cut off."""

LONGEST = 10.0
"""Longest pause, in seconds."""


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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = self._now()
        if now - self._since > WITHIN:
            self._since, self._count = now, 0
        self._count += 1
        if self._count >= CROWD:
            self._crowd = now
            if now >= self._rested and gc.isenabled():
                gc.disable()
                # On a thread, so that it ends whatever becomes of the event loop.
                threading.Thread(target=self._pause, name="rtmon-gc-pause", daemon=True).start()
        return self._create(*args, **kwargs)

    def _pause(self) -> None:
        began = now = self._now()
        look = self._calm / 4
        try:
            while now - self._crowd < self._calm and now - began < self._longest:
                time.sleep(look)
                now = self._now()
            self._rested = now + look
        finally:
            gc.enable()
