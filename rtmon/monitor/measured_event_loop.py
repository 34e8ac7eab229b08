"""The choice of the event loop that a Monitor measures, and on which the Monitor ticks."""

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
    "connections are not counted: this server does not run on asyncio but, for example, on trio, "
    "and rtmon measures only asyncio; run the server on asyncio"
)


class TickLoop:
    """The event loop that a Monitor measures, and the loop's thread.

    There is no such loop until the first server, connection or display.

    Attributes:
        armed: number of event loops used so far. A ticker on an earlier loop stops when it sees
            that this number has changed.
        uncounted: number of connections and requests that were not counted, because they ran on
            another event loop, or without asyncio.
        why_uncounted: text that explains why the first of these was not counted; "" if there is
            none.
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
        """Return True if the measured event loop is running."""
        return self._loop is not None and self._loop.is_running()

    def foreign(self) -> bool:
        """Return True if the measured event loop runs on another thread than the caller."""
        return self.live() and threading.get_ident() != self._thread

    def forget(self) -> None:
        """In the child process of a fork, drop the measured event loop, which the parent runs."""
        self.armed += 1
        self.uncounted = 0
        # Another thread may have held the lock during the fork, and does not exist here.
        self._lock = threading.RLock()
        self._loop = self._thread = self._purpose = None

    def call(self, function: Callable[[], None]) -> None:
        """Schedule a function call on the measured event loop, from any thread."""
        assert self._loop is not None  # noqa: S101 - callers have checked foreign()
        self._loop.call_soon_threadsafe(function)

    def arm(self, purpose: Purpose, begin: Callable[[asyncio.AbstractEventLoop], None]) -> bool:
        """Measure the running event loop, unless another measured loop is still running.

        Args:
            purpose: kind of the caller.
            begin: function that starts the ticks on a new loop.

        Returns:
            True if the running loop is the measured one.

        Raises:
            MonitorError: the caller is a server, and another measured loop is still running.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if purpose != "probe":
                raise
            self._not_counted(NO_ASYNCIO)
            return False
        with self._lock:  # Event loops on several threads may call this at the same time.
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
        with self._lock:  # Several uncounted event loops may run on threads of their own.
            self.uncounted += 1
            first = self.uncounted == 1
        if first:
            self.why_uncounted = why
            logger.warning(why)
