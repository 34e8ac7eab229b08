"""Turns: work that runs once in each iteration of the event loop, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Turns"]


class Turns:
    """Runs one callback in each iteration of the event loop.

    Where many connections have work for some milliseconds at once, all others wait for one piece
    of it, not for the sum.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, callback: Callable[[], object]) -> None:
        """Call back once, after those that were added before."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # what waited on a loop that was closed never runs
            self._waiting.clear()
            self._loop = loop
        self._waiting.append(callback)
        if len(self._waiting) == 1:
            loop.call_soon(self._run)

    async def wait(self) -> None:
        """Wait for a turn."""
        future = asyncio.get_running_loop().create_future()
        self.add(lambda: None if future.done() else future.set_result(None))
        await future

    def _run(self) -> None:
        callback = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        callback()
