"""The LRU cache with a maximum size."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtmon.core.lru_cache import LRU

KEYS = st.integers(0, 8)
CAPACITY = 4


class AsALogOfUses(RuleBasedStateMachine):
    """Compares an LRU cache with a list of all uses, of which the latest distinct keys remain."""

    def __init__(self) -> None:
        super().__init__()
        self.evicted: list[tuple[int, int]] = []
        self.lru: LRU[int, int] = LRU(CAPACITY, on_evict=lambda *entry: self.evicted.append(entry))
        self.values: dict[int, int] = {}
        self.uses: list[int] = []
        self.clock = 0

    def use(self, key: int) -> None:
        self.uses = [other for other in self.uses if other != key] + [key]

    @rule(key=KEYS)
    def put(self, key: int) -> None:
        self.clock += 1
        self.lru.put(key, self.clock)
        self.values[key] = self.clock
        self.use(key)
        gone = self.uses[:-CAPACITY]
        self.uses = self.uses[-CAPACITY:]
        assert self.evicted == [(old, self.values.pop(old)) for old in gone]
        self.evicted.clear()

    @rule(key=KEYS)
    def get(self, key: int) -> None:
        assert self.lru.get(key) == self.values.get(key)
        if key in self.values:
            self.use(key)

    @rule(key=KEYS)
    def pop(self, key: int) -> None:
        assert self.lru.pop(key) == self.values.pop(key, None)
        self.uses = [other for other in self.uses if other != key]

    @invariant()
    def entries_are_the_latest_used(self) -> None:
        assert list(self.lru) == self.uses
        assert len(self.lru) == len(self.uses) <= CAPACITY
        assert all((key in self.lru) == (key in self.values) for key in range(9))
        assert not self.evicted


TestLRU = AsALogOfUses.TestCase
TestLRU.settings = settings(max_examples=30)


def test_lru_replaces_a_value_without_eviction_when_full() -> None:
    """LRU cache that is full replaces the value of a present key without evicting another key."""
    lru: LRU[str, int] = LRU(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        lru.put(key, value)
    assert [(key, lru.get(key)) for key in list(lru)] == [("b", 2), ("a", 3)]
