"""Subscriptions of the application's functions to channels of the hub."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..protocol import limits
from ..protocol.catalog import Publication

__all__ = ["Callback", "CallbackSubscription"]

Callback: TypeAlias = Callable[[Publication], Awaitable[None] | None]
"""A function or coroutine function of the application that is called with each publication."""

_FAILED = "a callback of %r failed"

logger = logging.getLogger("rtmon.hub")


class CallbackSubscription:
    """Subscription of one function of the application to a channel or pattern.

    An exception in the function is logged. Awaitables that the function returns are put into a
    bounded queue, and awaited one after the other. When the queue is full, a new awaitable is
    dropped and counted.

    Args:
        channel: the channel or pattern.
        callback: the function, called with each publication.
        forget: called with this subscription when it is cancelled.

    Attributes:
        channel: the channel or pattern.
        dropped: number of publications dropped because the queue was full.
    """

    def __init__(
        self, channel: str, callback: Callback, forget: Callable[[CallbackSubscription], object]
    ) -> None:
        self.channel = channel
        self.dropped = 0
        self._callback = callback
        self._forget = forget
        self._queue: asyncio.Queue[Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """End the subscription, and drop the awaitables in its queue."""
        self._forget(self)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        while self._queue is not None and not self._queue.empty():
            _give_up(self._queue.get_nowait())

    def notify(self, publication: Publication) -> None:
        """Call the application's function with a publication."""
        try:
            result = self._callback(publication)
        except Exception:
            logger.exception(_FAILED, self.channel)
            return
        # Check the result, not the function: a lambda or a callable object may also return a
        # coroutine.
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
        """Await the queued awaitables one after the other, until the task is cancelled."""
        while True:
            result = await queue.get()
            try:
                await result
            except Exception:
                logger.exception(_FAILED, self.channel)


def _give_up(result: Awaitable[None]) -> None:
    """Drop an awaitable. A coroutine that is never awaited must be closed, or Python warns."""
    if inspect.iscoroutine(result):
        result.close()
