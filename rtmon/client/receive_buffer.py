"""A bounded queue between the connection and one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["ReceiveBuffer"]

T = TypeVar("T")


class ReceiveBuffer(Generic[T]):
    """A bounded queue for one reader, which drops the oldest item if it is full.

    Attributes:
        size: most items that it holds.
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
        """True if one more item would be too many."""
        return len(self._items) >= self.size

    def put(self, item: T) -> bool:
        """Add an item. Returns True if the oldest was dropped for it."""
        full = self.full
        if full:
            self._items.popleft()
        self._items.append(item)
        self._wake.set()
        return full

    def end(self, error: Exception | None = None) -> None:
        """End after the items that are there, with an error if there is one."""
        if not self._ended:
            self._ended, self._error = True, error
        self._wake.set()

    async def get(self) -> T:
        """Wait for the next item and return it.

        Raises:
            StopAsyncIteration: there are no more; if it ended with an error, that is raised.
        """
        while not self._items:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()
