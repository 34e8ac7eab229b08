"""On which event loop a Monitor ticks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from ..errors import MonitorError
from ..metrics.interfaces import Purpose

__all__ = ["TickLoop"]

logger = logging.getLogger("rtmon")

SECOND_LOOP = (
    "connections on a second event loop are not counted: give each loop a Monitor of its own"
)
NO_ASYNCIO = (
    "connections are not counted: this server runs on something else than asyncio, such as trio, "
    "and asyncio is all that rtmon measures; have it run on asyncio"
)


class TickLoop:
    """The event loop that is measured, and its thread; none before the first is taken.

    Attributes:
        armed: how many loops have been taken so far; what was begun for one before is over.
        uncounted: connections and requests so far that a probe could not count, because they came
            on another loop.
        why_uncounted: why the first of them was not.
    """

    def __init__(self) -> None:
        self.armed = 0
        self.uncounted = 0
        self.why_uncounted = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._purpose: Purpose | None = None
        self._lock = threading.RLock()

    def live(self) -> bool:
        """Whether the loop is running."""
        return self._loop is not None and self._loop.is_running()

    def foreign(self) -> bool:
        """Whether the loop runs on another thread than this one."""
        return self.live() and threading.get_ident() != self._thread

    def forget(self) -> None:
        """The loop is another process's; what was begun for it is over."""
        self.armed += 1
        self.uncounted = 0
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self._loop = self._thread = self._purpose = None

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop that runs call a function, on its thread."""
        assert self._loop is not None  # noqa: S101 - it is live
        self._loop.call_soon_threadsafe(function)

    def arm(self, purpose: Purpose, begin: Callable[[asyncio.AbstractEventLoop], None]) -> bool:
        """Take the running loop, unless another one is live that must not be left.

        Args:
            purpose: who asks.
            begin: begins to tick on a loop that was not taken before.

        Returns:
            Whether the running loop is the one that is measured.

        Raises:
            MonitorError: ``serve`` asks on a second live loop.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if purpose != "probe":
                raise
            self._not_counted(NO_ASYNCIO)
            return False
        with self._lock:  # loops of several threads may ask at the same time
            return self._take(loop, purpose, begin)

    def _take(
        self,
        loop: asyncio.AbstractEventLoop,
        purpose: Purpose,
        begin: Callable[[asyncio.AbstractEventLoop], None],
    ) -> bool:
        if self._loop is loop and self.live():
            if self._purpose == "display":
                self._purpose = purpose
            return True
        if self.live() and not (self._purpose == "display" and purpose != "display"):
            self._refuse(purpose)
            return False
        self._loop, self._thread, self._purpose = loop, threading.get_ident(), purpose
        self.armed += 1
        begin(loop)
        return True

    def _refuse(self, purpose: Purpose) -> None:
        if purpose == "serve":
            raise MonitorError(
                "this Monitor already ticks on another running event loop; "
                "give each loop a Monitor of its own"
            )
        if purpose == "probe":
            self._not_counted(SECOND_LOOP)

    def _not_counted(self, why: str) -> None:
        with self._lock:  # there may be several other loops, each on a thread of its own
            self.uncounted += 1
            first = self.uncounted == 1
        if first:
            self.why_uncounted = why
            logger.warning(why)
