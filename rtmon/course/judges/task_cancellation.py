"""Run the tasks of a trial concurrently, and end them even if they resist cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["CLEAN_UP", "cancel", "together"]

CLEAN_UP = 1.0
"""Seconds that each part of a trial may take to end."""


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run coroutines side by side; the first that raises ends the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(set(tasks))


async def cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks; give up on those that do not end soon."""
    for task in tasks:
        task.cancel()
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=CLEAN_UP)
        for task in done:
            if not task.cancelled():
                task.exception()  # so that asyncio does not log it
