"""Thousands of connections at once, and Python's garbage collector.

The collector goes through all objects that live whenever there are a quarter more of them than
the last time; while thousands of connections are being opened, it does so again and again, and
takes more than half of the time without finding anything. So it is paused while a crowd comes.
That holds for the whole process, which is why it is short; the first collection afterwards finds
what has become garbage meanwhile. Where the collector is off already, it is left alone.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["CALM", "CROWD", "LONGEST", "WITHIN", "GCPause"]

CROWD = 250
"""Connections that are a crowd, if they come within :data:`WITHIN`."""

WITHIN = 0.5
"""Seconds."""

CALM = 2.0
"""Seconds without a crowd after which the garbage collector goes on: longer than it takes to see
thousands go who will all be back."""

LONGEST = 10.0
"""Seconds after which it does in any case."""


class GCPause:
    """Makes connections, and pauses the garbage collector while a crowd of them comes.

    Args:
        create: makes a connection.
        calm: seconds without a crowd that end a pause; the next comes a quarter of it later at
            the earliest.
        longest: seconds that a pause takes at most.
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
