"""Deduplication: remembers the recent message ids of each sender, and their results."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["SeenIds"]

T = TypeVar("T")


class SeenIds(Generic[T]):
    """The recent message ids of each sender, with the result of each message.

    An id is only compared with ids of the same sender.

    Args:
        seconds: how long an id is remembered.
        capacity: maximum number of ids over all senders. Above it, the sender with the most ids
            loses the older half of its ids.
    """

    def __init__(self, *, seconds: float, capacity: int) -> None:
        self._seconds = seconds
        self._capacity = capacity
        self._senders: OrderedDict[str, dict[str, tuple[float, T]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, sender: str, message: str, *, now: float) -> T | None:
        """Return the result that was stored for a sender's message id; None if the id is new."""
        found = self._senders.get(sender, {}).get(message)
        return None if found is None or found[0] <= now else found[1]

    def add(self, sender: str, message: str, result: T, *, now: float) -> None:
        """Store the result of a sender's message."""
        self._expire(now)
        ids = self._senders.setdefault(sender, {})
        self._senders.move_to_end(sender)
        if ids.pop(message, None) is None:
            self._count += 1
        # Removing and re-adding an id keeps the ids ordered by expiry.
        ids[message] = (now + self._seconds, result)
        self._drop(ids, [key for key in _head(ids) if ids[key][0] <= now])
        if self._count > self._capacity:
            heaviest = max(self._senders.values(), key=len)
            self._drop(heaviest, list(heaviest)[: max(1, len(heaviest) // 2)])

    def _expire(self, now: float) -> None:
        # add() moves the sender of each new id to the end. So the latest id of the first sender
        # expires no later than the latest id of any other sender.
        """Remove senders whose ids have all expired."""
        while self._senders:
            sender, ids = next(iter(self._senders.items()))
            if ids and ids[next(reversed(ids))][0] > now:
                return
            self._count -= len(ids)
            del self._senders[sender]

    def _drop(self, ids: dict[str, tuple[float, T]], messages: list[str]) -> None:
        """Remove some message ids of one sender."""
        for message in messages:
            del ids[message]
        self._count -= len(messages)


def _head(ids: dict[str, tuple[float, T]], most: int = 8) -> list[str]:
    """Return the first ``most`` ids of a sender, which are the oldest."""
    # Checking a few ids on each call is enough to remove expired ones, without a full scan.
    return [key for key, _ in zip(ids, range(most), strict=False)]
