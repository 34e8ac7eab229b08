"""Merge the counts of many connection threads into the Monitor, on the thread that ticks."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from ..base import attempt
from .frame_counter import KIND, Tally

if TYPE_CHECKING:
    from ...monitor import Monitor

__all__ = ["Gatherer"]


class Gatherer:
    """Collects the connections whose counts have changed since the last tick, each only once.

    A Monitor needs an event loop for its ticks, and a threaded server has none. So this class
    starts a thread with an event loop of its own. The Monitor ticks on this loop, except while an
    asyncio server or an admin listener runs: then the Monitor ticks on the event loop of that one.

    Args:
        monitor: the Monitor.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._changed: deque[Tally] = deque()
        self._gathering = threading.Lock()
        self._process: int | None = None
        monitor.collector.expect(KIND)
        monitor.collector.gather_from(self)

    def tally(self) -> Tally:
        """Return the counters of a new connection."""
        if self._process != os.getpid():  # at the first call, and at the first after a fork
            attempt(self.monitor, self._begin)
        return Tally(self.monitor, self._add)

    def _begin(self) -> None:
        self._process, self._changed, self._gathering = os.getpid(), deque(), threading.Lock()
        target, arguments = _keep_ticking, (weakref.ref(self.monitor),)
        threading.Thread(target=target, args=arguments, name="rtmon", daemon=True).start()

    def _add(self, tally: Tally) -> None:
        if not self.monitor.closed:
            self._changed.append(tally)  # append() and popleft() are atomic

    def gather(self) -> None:
        """Add the new counts to the Monitor; called on the thread that ticks."""
        if self._process != os.getpid():
            return  # these counts belong to the process from which this one was forked
        with self._gathering:  # other threads may request a snapshot before the first tick
            for _ in range(len(self._changed)):
                attempt(self.monitor, self._changed.popleft().fold)


def _keep_ticking(monitor: weakref.ref[Monitor]) -> None:
    asyncio.run(_ticking(monitor))


async def _ticking(monitor: weakref.ref[Monitor]) -> None:
    while (measuring := monitor()) is not None and not measuring.closed:
        measuring.arm("display")
        interval = measuring.interval
        del measuring
        await asyncio.sleep(min(interval, 1.0))
