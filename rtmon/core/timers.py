"""A timer on whatever loop is running, set as often as one likes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Alarm"]


class Alarm:
    """Calls once, at the earliest of the times that it was set to.

    A loop that has ended takes its timers with it: set on another loop, the alarm begins anew.

    Args:
        ring: what to call.
    """

    __slots__ = ("_handle", "_loop", "_ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self, delay: float) -> None:
        """Ring in so many seconds, unless it rings earlier anyway."""
        loop = asyncio.get_running_loop()
        if self._handle is not None and self._loop is loop:
            if self._handle.when() <= loop.time() + delay:
                return
            self._handle.cancel()
        self._loop = loop
        self._handle = loop.call_later(delay, self._now)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _now(self) -> None:
        self._handle = None
        self._ring()
