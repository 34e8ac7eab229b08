"""Whether what left a handler means that the handler has failed."""

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
    """Whether a handler has failed, rather than been left by its peer or cancelled.

    Of a group, one failure is enough. ``asyncio.CancelledError`` is one where nobody has cancelled
    the handler: it came out of something that the handler waited for.

    Args:
        exc: what the handler raised; None if nothing.
        left: whether an exception only says that the peer has left.
        task: the handler's; None for the one that this is called in.
    """
    if isinstance(exc, BaseExceptionGroup):
        return any(failed(inner, left=left, task=task) for inner in exc.exceptions)
    if isinstance(exc, asyncio.CancelledError):
        return not cancelled(exc, task)
    return isinstance(exc, Exception) and not left(exc)


def cancelled(exc: BaseException | None, task: asyncio.Task[Any] | None = None) -> bool:
    """Whether what a handler raised is the cancellation of its task, by default the current one."""
    if not isinstance(exc, asyncio.CancelledError):
        return False
    task = task or asyncio.current_task()
    return task is not None and task.cancelling() > 0
