"""Collect items into batches of limited size and delay. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import OptionError
from .option_validation import within

__all__ = ["MAX_DELAY", "MAX_SIZE", "Batch", "BatchBuffer"]

T = TypeVar("T")

MAX_SIZE = 100
"""Messages of the largest batch."""

MAX_DELAY = 5.0
"""Seconds that a message may wait for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Collect messages and send them as one.

    Attributes:
        size: send when so many are collected.
        delay: send at the latest so long (seconds) after the first.
    """

    size: int = 10
    delay: float = 0.1

    def __post_init__(self) -> None:
        within("size of a batch", self.size, 1, MAX_SIZE)
        within("delay of a batch", self.delay, 0.001, MAX_DELAY)


class BatchBuffer(Generic[T]):
    """Collects items; time is passed in.

    Args:
        size: a batch is complete with so many items.
        delay: seconds after its first item when a batch is due, complete or not.
    """

    __slots__ = ("_items", "delay", "due", "size")

    def __init__(self, *, size: int = 10, delay: float = 0.1) -> None:
        if size < 1 or delay < 0:
            raise OptionError(f"A batch of {size} items after {delay} s: give at least 1 and 0.")
        self.size = size
        self.delay = delay
        self.due: float | None = None
        """When the batch that is being collected is due; None while there is none."""
        self._items: list[T] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, *, now: float) -> list[T]:
        """Add an item. Returns the batch that it completes, else an empty list."""
        if not self._items:
            self.due = now + self.delay
        self._items.append(item)
        return self.take() if len(self._items) >= self.size else []

    def take(self) -> list[T]:
        """Return and remove the collected items, complete or not."""
        items, self._items = self._items, []
        self.due = None
        return items
