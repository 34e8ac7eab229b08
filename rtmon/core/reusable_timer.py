"""A timer on the running event loop that can be set any number of times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Timer"]


class Timer:
    """Calls back once, at the earliest of the times it was set to.

    Timers of a closed event loop never fire: when set on another loop, the timer starts anew.

    Args:
        callback: called without arguments when the timer fires.
    """

    __slots__ = ("_callback", "_handle", "_loop")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self, delay: float) -> None:
        """Fire in ``delay`` seconds, unless the timer fires earlier anyway."""
        loop = asyncio.get_running_loop()
        if self._handle is not None and self._loop is loop:
            if self._handle.when() <= loop.time() + delay:
                return
            self._handle.cancel()
        self._loop = loop
        self._handle = loop.call_later(delay, self._fire)

    def cancel(self) -> None:
        """Do not fire."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._callback()
