"""Collect items into batches, limited by number and delay. No I/O; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import OptionError
from .option_validation import within

__all__ = ["MAX_DELAY", "MAX_SIZE", "Batch", "BatchBuffer"]

T = TypeVar("T")

MAX_SIZE = 100
"""Largest allowed ``size`` of a :class:`Batch`, in messages."""

MAX_DELAY = 5.0
"""Largest allowed ``delay`` of a :class:`Batch`, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Option of a hub or client: send messages in batches, several in one WebSocket message.

    Attributes:
        size: send the batch when it has this number of messages.
        delay: send the batch at the latest this number of seconds after its first message.
    """

    size: int = 10
    delay: float = 0.1

    def __post_init__(self) -> None:
        within("size of a batch", self.size, 1, MAX_SIZE)
        within("delay of a batch", self.delay, 0.001, MAX_DELAY)


class BatchBuffer(Generic[T]):
    """Collects items until a batch is complete; time is passed in.

    Args:
        size: number of items in a complete batch.
        delay: seconds from the first item of a batch until the batch is due, complete or not.
    """

    __slots__ = ("_items", "delay", "due", "size")

    def __init__(self, *, size: int = 10, delay: float = 0.1) -> None:
        if size < 1 or delay < 0:
            raise OptionError(f"A batch of {size} items after {delay} s: give at least 1 and 0.")
        self.size = size
        self.delay = delay
        self.due: float | None = None
        """Monotonic time at which the current batch is due; None if it is empty."""
        self._items: list[T] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, *, now: float) -> list[T]:
        """Add an item. Returns all items if the batch is now complete, else an empty list."""
        if not self._items:
            self.due = now + self.delay
        self._items.append(item)
        return self.take() if len(self._items) >= self.size else []

    def take(self) -> list[T]:
        """Return and remove the collected items, also if the batch is not complete."""
        items, self._items = self._items, []
        self.due = None
        return items
