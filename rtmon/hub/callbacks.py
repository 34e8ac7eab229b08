"""Subscribers inside the server: functions that get what is published."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..protocol import limits
from ..protocol.catalog import Publication

__all__ = ["Callback", "Listener"]

Callback: TypeAlias = Callable[[Publication], Awaitable[None] | None]

_FAILED = "a listener of %r failed"

logger = logging.getLogger("rtmon.hub")


class Listener:
    """One subscription of a function.

    What it raises is logged and disturbs nobody. What a coroutine function returns is awaited,
    one after the other; what it cannot take in time is dropped and counted.

    Attributes:
        channel: the channel or pattern.
        dropped: publications that found its queue full.
    """

    def __init__(
        self, channel: str, callback: Callback, forget: Callable[[Listener], object]
    ) -> None:
        self.channel = channel
        self.dropped = 0
        self._callback = callback
        self._forget = forget
        self._queue: asyncio.Queue[Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Get nothing more."""
        self._forget(self)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        while self._queue is not None and not self._queue.empty():
            _give_up(self._queue.get_nowait())

    def notify(self, publication: Publication) -> None:
        """Something was published."""
        try:
            result = self._callback(publication)
        except Exception:
            logger.exception(_FAILED, self.channel)
            return
        # Only the result tells: a lambda or an object may return a coroutine, too.
        if not inspect.isawaitable(result):
            return
        if self._queue is None or self._task is None or self._task.done():
            self._queue = asyncio.Queue(limits.LISTENER_QUEUE)
            self._task = asyncio.get_running_loop().create_task(self._work(self._queue))
        try:
            self._queue.put_nowait(result)
        except asyncio.QueueFull:
            self.dropped += 1
            _give_up(result)

    async def _work(self, queue: asyncio.Queue[Awaitable[None]]) -> None:
        while True:
            result = await queue.get()
            try:
                await result
            except Exception:
                logger.exception(_FAILED, self.channel)


def _give_up(result: Awaitable[None]) -> None:
    """Do not wait for something; a coroutine that never runs must be told."""
    if inspect.iscoroutine(result):
        result.close()
