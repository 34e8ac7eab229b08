"""Repeat an action while other cells run."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["every"]


@contextlib.asynccontextmanager
async def every(seconds: float, action: Callable[[], Any]) -> AsyncIterator[asyncio.Task[None]]:
    """Repeat an action in the background until the context ends.

    Args:
        seconds: time from the start of one call to the start of the next one.
        action: a function or coroutine function. An exception of ``action`` ends the repetition,
            and is raised when the context ends.
    """

    async def repeat() -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            done = action()
            if inspect.isawaitable(done):
                await done
            due = max(due + seconds, clock())
            await asyncio.sleep(due - clock())

    task = asyncio.create_task(repeat(), name="rtmon-every")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
