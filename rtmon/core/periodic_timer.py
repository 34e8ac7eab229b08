"""Call a function at regular times on an event loop, without keeping its object alive."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Ticker"]

T = TypeVar("T")


class Ticker(Generic[T]):
    """Acts on an object at regular times, and keeps neither it nor itself alive.

    Args:
        owner: what is acted on; once it is gone, so are the beats.
        interval: seconds from one beat to the next, by the loop's clock.
        wanted: whether to go on, asked before each beat.
        action: what to do, told how many seconds late it is.
    """

    def __init__(
        self,
        owner: T,
        interval: float,
        *,
        wanted: Callable[[T], bool],
        action: Callable[[T, float], object],
    ) -> None:
        self._owner = weakref.ref(owner)
        self._interval = interval
        self._wanted = wanted
        self._action = action

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the first beat an interval from now."""
        self._next(loop, loop.time())

    def _next(self, loop: asyncio.AbstractEventLoop, last: float) -> None:
        due = last + self._interval

        def on_time() -> None:
            owner = self._owner()
            if owner is not None and self._wanted(owner):
                now = loop.time()
                # A late beat is made once, not once for each that was missed; and one that
                # fails, which the loop reports, is not the last.
                self._next(loop, max(due, now - self._interval / 2))
                self._action(owner, max(0.0, now - due))

        loop.call_at(due, on_time)
