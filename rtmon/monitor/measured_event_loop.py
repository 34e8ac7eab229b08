"""The event loop that a Monitor measures and ticks on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from ..errors import MonitorError
from ..metrics.monitor_interfaces import Purpose

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
    """The measured event loop and its thread; none before the first connection or server.

    Attributes:
        armed: number of loops used so far; callbacks for an earlier loop are ignored.
        uncounted: connections and requests that a probe could not count, because they ran on
            another loop.
        why_uncounted: the reason for the first of them.
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
        """True if the loop is running."""
        return self._loop is not None and self._loop.is_running()

    def foreign(self) -> bool:
        """True if the loop runs on another thread than the caller's."""
        return self.live() and threading.get_ident() != self._thread

    def forget(self) -> None:
        """Drop the loop after a fork, since it is the parent's."""
        self.armed += 1
        self.uncounted = 0
        self._lock = threading.RLock()  # another thread of the parent may have held the lock
        self._loop = self._thread = self._purpose = None

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the running loop's thread."""
        assert self._loop is not None  # noqa: S101 - it is live
        self._loop.call_soon_threadsafe(function)

    def arm(self, purpose: Purpose, begin: Callable[[asyncio.AbstractEventLoop], None]) -> bool:
        """Use the running loop, unless another measured loop is still alive.

        Args:
            purpose: the kind of caller.
            begin: starts the ticks on a new loop.

        Returns:
            True if the running loop is the measured one.

        Raises:
            MonitorError: a server would run on a second live loop.
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
