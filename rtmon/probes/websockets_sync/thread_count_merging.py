"""Brings what threads have counted to the thread that ticks."""

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
    """The tallies that have changed since the last tick; each is in it once.

    A Monitor ticks on an event loop. Where none does yet, a thread of the gatherer's own has one:
    it gives way to any server's or admin listener's, and goes on when that has ended.

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
        """Make the tally of a connection that begins."""
        if self._process != os.getpid():  # the first one, or the first after a fork
            attempt(self.monitor, self._begin)
        return Tally(self.monitor, self._add)

    def _begin(self) -> None:
        self._process, self._changed, self._gathering = os.getpid(), deque(), threading.Lock()
        target, arguments = _keep_ticking, (weakref.ref(self.monitor),)
        threading.Thread(target=target, args=arguments, name="rtmon", daemon=True).start()

    def _add(self, tally: Tally) -> None:
        if not self.monitor.closed:
            self._changed.append(tally)  # which is atomic, as popleft() is

    def gather(self) -> None:
        """Add to the Monitor what was counted; called on the thread that ticks."""
        if self._process != os.getpid():
            return  # what there is belongs to the process that this one was forked from
        with self._gathering:  # before the first tick, other threads may ask for a snapshot
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
