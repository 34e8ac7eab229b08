"""A one-shot timer on the running event loop that can be set again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Timer"]


class Timer:
    """Calls a function once, at the earliest of the times that were set; then it can be set again.

    A timer that was set on an event loop that is now closed never fires. It can be set again on
    another event loop.

    Args:
        callback: called without arguments when the timer fires.
    """

    __slots__ = ("_callback", "_handle", "_loop")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self, delay: float) -> None:
        """Fire in ``delay`` seconds. Does nothing if the timer is set to fire earlier."""
        loop = asyncio.get_running_loop()
        if self._handle is not None and self._loop is loop:
            if self._handle.when() <= loop.time() + delay:
                return
            self._handle.cancel()
        self._loop = loop
        self._handle = loop.call_later(delay, self._fire)

    def cancel(self) -> None:
        """Cancel the timer; the callback is not called."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._callback()
