"""Whether what left a handler means that the handler has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["cancelled", "failed"]


def failed(exc: BaseException | None, *, left: Callable[[Exception], bool]) -> bool:
    """Whether a handler has failed, rather than been left by its peer or cancelled.

    Of a group, one failure is enough. ``asyncio.CancelledError`` is one where nobody has cancelled
    the handler: it came out of something that the handler waited for. To be called in the
    handler's task.

    Args:
        exc: what the handler raised; None if nothing.
        left: whether an exception only says that the peer has left.
    """
    if isinstance(exc, BaseExceptionGroup):
        return any(failed(inner, left=left) for inner in exc.exceptions)
    if isinstance(exc, asyncio.CancelledError):
        return not cancelled(exc)
    return isinstance(exc, Exception) and not left(exc)


def cancelled(exc: BaseException | None) -> bool:
    """Whether what a handler raised is its task's cancellation; to be called in that task."""
    task = asyncio.current_task()
    return isinstance(exc, asyncio.CancelledError) and task is not None and task.cancelling() > 0
