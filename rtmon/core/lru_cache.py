"""A mapping of bounded size that evicts the least recently used entry. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["LRU"]

K = TypeVar("K")
V = TypeVar("V")


class LRU(Generic[K, V]):
    """Maps keys to values; when it is full, it evicts the least recently used entry.

    Args:
        capacity: maximum number of entries.
        on_evict: called with the key and the value of each evicted entry. It is not called for
            entries removed by :meth:`pop`.
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
        """Return all entries, the least recently used first. This marks no entry as used."""
        return list(self._entries.items())

    def get(self, key: K) -> V | None:
        """Return the value of a key and mark its entry as used; None if there is no such key."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Add or replace an entry and mark it as used.

        If the mapping is full, evict the least recently used entry.
        """
        entries = self._entries
        if key in entries:
            entries.move_to_end(key)
        elif len(entries) >= self._capacity:
            evicted = entries.popitem(last=False)
            if self._on_evict is not None:
                self._on_evict(*evicted)
        entries[key] = value

    def pop(self, key: K) -> V | None:
        """Remove an entry and return its value; None if there is no such key."""
        return self._entries.pop(key, None)
