"""Message ids seen before, so that a repeat is not delivered again. Pure: time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["SeenIds"]

T = TypeVar("T")


class SeenIds(Generic[T]):
    """What each sender's recent messages led to.

    An id counts only together with its sender, so no sender can use up another's.

    Args:
        seconds: how long an id is remembered.
        capacity: how many are remembered over all senders; past it the sender with the most
            forgets the older half of its own.
    """

    def __init__(self, *, seconds: float, capacity: int) -> None:
        self._seconds = seconds
        self._capacity = capacity
        self._senders: OrderedDict[str, dict[str, tuple[float, T]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, sender: str, message: str, *, now: float) -> T | None:
        """What was remembered for this id of this sender; None if it is new."""
        found = self._senders.get(sender, {}).get(message)
        return None if found is None or found[0] <= now else found[1]

    def add(self, sender: str, message: str, result: T, *, now: float) -> None:
        """Remember what an id led to."""
        self._expire(now)
        ids = self._senders.setdefault(sender, {})
        self._senders.move_to_end(sender)
        if ids.pop(message, None) is None:
            self._count += 1
        # Taken out and put back, ids stay in the order in which they expire.
        ids[message] = (now + self._seconds, result)
        self._drop(ids, [key for key in _head(ids) if ids[key][0] <= now])
        if self._count > self._capacity:
            heaviest = max(self._senders.values(), key=len)
            self._drop(heaviest, list(heaviest)[: max(1, len(heaviest) // 2)])

    def _expire(self, now: float) -> None:
        # Senders are in the order of their latest id: the first is the first to be done.
        while self._senders:
            sender, ids = next(iter(self._senders.items()))
            if ids and ids[next(reversed(ids))][0] > now:
                return
            self._count -= len(ids)
            del self._senders[sender]

    def _drop(self, ids: dict[str, tuple[float, T]], messages: list[str]) -> None:
        for message in messages:
            del ids[message]
        self._count -= len(messages)


def _head(ids: dict[str, tuple[float, T]], most: int = 8) -> list[str]:
    # A few on each call keep up with what comes in, without walking everything.
    return [key for key, _ in zip(ids, range(most), strict=False)]
