"""Run and cancel asyncio tasks of a trial, with a time limit for tasks that resist cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["CLEAN_UP", "cancel", "together"]

CLEAN_UP = 1.0
"""Time limit in seconds for cancelled tasks to end, and for a server of a trial to close."""


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run coroutines concurrently. If one of them raises an exception, cancel the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(set(tasks))


async def cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait up to 1 s for them to end. Tasks that do not end are abandoned."""
    for task in tasks:
        task.cancel()
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=CLEAN_UP)
        for task in done:
            if not task.cancelled():
                task.exception()  # Retrieve the exception, so that asyncio does not log it.
