"""Queue of hook calls for one client, which runs them one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ..protocol import limits

__all__ = ["HookQueue"]


class HookQueue:
    """Calls the hooks of one client one after the other, in the order of the events.

    Args:
        spawn: runs a coroutine as a task.
    """

    __slots__ = ("_spawn", "_task", "_waiting")

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()

    def add(self, call: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Queue the call of a hook. Returns False if the queue is full."""
        if len(self._waiting) >= limits.LISTENER_QUEUE:
            return False
        self._waiting.append(call)
        if self._task is None or self._task.done():
            self._task = self._spawn(self._work())
        return True

    async def idle(self) -> None:
        """Wait until all queued hooks of the client have been called."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        """Call the queued hooks until the queue is empty."""
        while self._waiting:
            await self._waiting.popleft()()
