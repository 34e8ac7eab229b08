"""Collect items, and pass them on in batches."""

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
    """Collects items, and hands them on ``size`` at a time, or ``delay`` seconds after the first.

    ::

        batcher = Batcher(lambda items: print(len(items), "items"), size=10, delay=0.1)
        batcher.add("one")

    Args:
        send: called with each batch, in order; a plain function, which may put it on a queue or
            start a task. What it raises goes to the caller of :meth:`add` or :meth:`flush`, or, if
            the time is up, to the event loop's exception handler.
        size: items of a full batch.
        delay: seconds that an item waits at most, on the running event loop.

    Raises:
        OptionError: ``send`` is a coroutine function, or a number makes no sense.
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
        """Add an item. Returns the result of ``send`` if the batch is complete, else None."""
        # The timer keeps the delay, the buffer only counts.
        full = self._buffer.add(item, now=0.0)
        if full:
            self._timer.cancel()
            return self._send(full)
        self._timer.set(self._buffer.delay)
        return None

    def flush(self) -> Any:
        """Pass on the collected items. Returns the result of ``send``; None if there were none."""
        collected = self.take()
        return self._send(collected) if collected else None

    def take(self) -> list[T]:
        """Return and remove the collected items without passing them on."""
        self._timer.cancel()
        return self._buffer.take()

    def _due(self) -> None:
        self.flush()
