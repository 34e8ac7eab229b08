"""Distinguish a handler that failed from one that was cancelled or whose peer has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["cancelled", "failed"]


def failed(
    exc: BaseException | None,
    *,
    left: Callable[[Exception], bool],
    task: asyncio.Task[Any] | None = None,
) -> bool:
    """Return True if a handler failed: it was not cancelled, and its peer has not left.

    An exception group is a failure if it contains one. ``asyncio.CancelledError`` is a failure if
    the handler's own task was not cancelled, but something that the handler awaited.

    Args:
        exc: exception that the handler raised; None if there was none.
        left: returns True for an exception that means only that the peer has left.
        task: the handler's task; the current task if None.
    """
    if isinstance(exc, BaseExceptionGroup):
        return any(failed(inner, left=left, task=task) for inner in exc.exceptions)
    if isinstance(exc, asyncio.CancelledError):
        return not cancelled(exc, task)
    return isinstance(exc, Exception) and not left(exc)


def cancelled(exc: BaseException | None, task: asyncio.Task[Any] | None = None) -> bool:
    """Return True if ``exc`` is a ``CancelledError`` and the task itself was cancelled.

    Args:
        exc: the exception, if any.
        task: the task; the current task if None.
    """
    if not isinstance(exc, asyncio.CancelledError):
        return False
    task = task or asyncio.current_task()
    return task is not None and task.cancelling() > 0
