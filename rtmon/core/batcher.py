"""Collect items and pass them to a function in batches, by number or by time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import OptionError
from .batch_buffer import BatchBuffer
from .reusable_timer import Timer

__all__ = ["Batcher"]

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collects items and passes them to a function in batches.

    A batch is passed on when it has ``size`` items, or ``delay`` seconds after its first item.

    ::

        batcher = Batcher(lambda items: print(len(items), "items"), size=10, delay=0.1)
        batcher.add("one")

    Args:
        send: called with each batch, in order. It must be a plain function; it may put the batch on
            a queue or start a task. An exception of ``send`` is raised by :meth:`add` or
            :meth:`flush`. If ``send`` was called after ``delay``, the exception goes to the event
            loop's exception handler.
        size: number of items in a full batch.
        delay: longest time, in seconds, that an item waits. Timed by the running event loop.

    Raises:
        OptionError: ``send`` is a coroutine function, or ``size`` or ``delay`` is out of range.
    """

    __slots__ = ("_buffer", "_send", "_timer")

    def __init__(
        self, send: Callable[[list[T]], Any], *, size: int = 10, delay: float = 0.1
    ) -> None:
        function: Any = send
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise OptionError(
                f"send is {send!r:.100}: give a plain function, which may start a task."
            )
        self._send = send
        self._buffer: BatchBuffer[T] = BatchBuffer(size=size, delay=delay)
        self._timer = Timer(self._due)

    def __len__(self) -> int:
        return len(self._buffer)

    def add(self, item: T) -> Any:
        """Add an item. Returns the result of ``send`` if the batch is now complete, else None."""
        # ``now`` does not matter: the timer measures the delay, and the buffer only counts items.
        full = self._buffer.add(item, now=0.0)
        if full:
            self._timer.cancel()
            return self._send(full)
        self._timer.set(self._buffer.delay)
        return None

    def flush(self) -> Any:
        """Pass the collected items to ``send`` now.

        Returns:
            The result of ``send``; None if there were no items.
        """
        collected = self.take()
        return self._send(collected) if collected else None

    def take(self) -> list[T]:
        """Return and remove the collected items, without a call of ``send``."""
        self._timer.cancel()
        return self._buffer.take()

    def _due(self) -> None:
        self.flush()
