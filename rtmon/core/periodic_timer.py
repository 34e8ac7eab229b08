"""Call a function periodically on an event loop, until the owner of the calls is deleted."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Ticker"]

T = TypeVar("T")


class Ticker(Generic[T]):
    """Calls ``action`` every ``interval`` seconds, and holds only a weak reference to ``owner``.

    Args:
        owner: the object that is passed to ``action``. The calls end when the object is deleted.
        interval: seconds between two calls, by the event loop's clock.
        wanted: called with ``owner`` before each call of ``action``. The calls end when ``wanted``
            returns False.
        action: called with ``owner``, and with the number of seconds by which the call is late.
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
        """Schedule the first call, ``interval`` seconds from now."""
        self._next(loop, loop.time())

    def _next(self, loop: asyncio.AbstractEventLoop, last: float) -> None:
        due = last + self._interval

        def on_time() -> None:
            owner = self._owner()
            if owner is not None and self._wanted(owner):
                now = loop.time()
                # After a delay, only one call is made for all intervals that were missed. The next
                # call is scheduled first, so the calls continue if ``action`` raises.
                self._next(loop, max(due, now - self._interval / 2))
                self._action(owner, max(0.0, now - due))

        loop.call_at(due, on_time)
