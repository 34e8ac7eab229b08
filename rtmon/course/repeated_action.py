"""Repeat a function in the background, for example while other cells of a notebook run."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["every"]


@contextlib.asynccontextmanager
async def every(seconds: float, action: Callable[[], Any]) -> AsyncIterator[asyncio.Task[None]]:
    """Call a function repeatedly in a background task while an ``async with`` block runs.

    Example: ``async with every(0.5, action): …`` calls ``action`` every half second.

    Args:
        seconds: time from the start of one call to the start of the next call. If a call takes
            longer than this, the next call follows at once.
        action: a function or coroutine function without arguments. If it raises an exception, the
            repetition stops, and the exception is raised when the context exits.
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
