"""Messages collected by number and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.batching import Batcher


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batches(items: list[int], size: int) -> None:
    """Batches hold everything in order, none more than the size, and are due from the first."""
    batcher: Batcher[int] = Batcher(size=size, delay=0.5)
    got: list[list[int]] = []
    for now, item in enumerate(items):
        empty = len(batcher) == 0
        full = batcher.add(item, now=float(now))
        if full:
            got.append(full)
            assert batcher.due is None
        elif empty:
            assert batcher.due == now + 0.5
    assert all(len(batch) == size for batch in got)
    rest = batcher.take()
    assert len(rest) < size
    assert [item for batch in [*got, rest] for item in batch] == items
    assert batcher.due is None
