"""A mapping of bounded size that forgets the entry longest unused. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["LRU"]

K = TypeVar("K")
V = TypeVar("V")


class LRU(Generic[K, V]):
    """Maps keys to values, and evicts the least recently used entry once it is full.

    Args:
        capacity: entries kept at most.
        on_evict: called with key and value of each entry evicted; not of one removed.
    """

    __slots__ = ("_capacity", "_entries", "_on_evict")

    def __init__(self, capacity: int, *, on_evict: Callable[[K, V], object] | None = None) -> None:
        self._capacity = capacity
        self._on_evict = on_evict
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def items(self) -> list[tuple[K, V]]:
        """Return all entries, longest unused first; none is marked as used."""
        return list(self._entries.items())

    def get(self, key: K) -> V | None:
        """Return a key's value and mark it as used; None if the key is not there."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Add or replace an entry and mark it as used; evict another if there is no room."""
        entries = self._entries
        if key in entries:
            entries.move_to_end(key)
        elif len(entries) >= self._capacity:
            evicted = entries.popitem(last=False)
            if self._on_evict is not None:
                self._on_evict(*evicted)
        entries[key] = value

    def pop(self, key: K) -> V | None:
        """Remove an entry and return its value; None if the key is not there."""
        return self._entries.pop(key, None)
