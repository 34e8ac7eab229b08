"""A bounded queue of received items for one reader, such as an iteration over a client."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["ReceiveBuffer"]

T = TypeVar("T")


class ReceiveBuffer(Generic[T]):
    """A bounded queue for one reader. When it is full, the oldest item is dropped.

    Attributes:
        size: maximum number of items.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._items: deque[T] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """True if the queue has ``size`` items."""
        return len(self._items) >= self.size

    def put(self, item: T) -> bool:
        """Add an item. Returns True if the oldest item was dropped to make space."""
        full = self.full
        if full:
            self._items.popleft()
        self._items.append(item)
        self._wake.set()
        return full

    def end(self, error: Exception | None = None) -> None:
        """End the queue. After the present items are read, :meth:`get` raises an exception.

        Args:
            error: the exception to raise; StopAsyncIteration if None.
        """
        if not self._ended:
            self._ended, self._error = True, error
        self._wake.set()

    async def get(self) -> T:
        """Wait for the next item and return it.

        Raises:
            StopAsyncIteration: the queue has ended. If :meth:`end` got an ``error``, ``get`` raises
                that error instead.
        """
        while not self._items:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()
