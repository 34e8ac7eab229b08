"""Batches: messages collected by number and by time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rtmon
from rtmon.core.batch_buffer import BatchBuffer
from rtmon.errors import OptionError
from rtmon.testing import until


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batch_buffer_keeps_every_item_in_order_in_batches_of_its_size(
    items: list[int], size: int
) -> None:
    """Batch buffer returns all items in order in batches of its size, each due 0.5 s (its delay)
    after the batch's first item.
    """
    batcher: BatchBuffer[int] = BatchBuffer(size=size, delay=0.5)
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


async def test_batcher_sends_full_batches_at_once_and_incomplete_ones_after_the_delay() -> None:
    """Batcher sends a full batch at once, and an incomplete batch after its delay or at
    ``flush()``.
    """
    sent: list[list[int]] = []
    batcher: rtmon.Batcher[int] = rtmon.Batcher(sent.append, size=2, delay=0.02)
    for number in range(5):
        batcher.add(number)
    assert sent == [[0, 1], [2, 3]]
    await until(lambda: len(sent) == 3)
    assert sent[2] == [4]
    batcher.add(5)
    batcher.flush()
    assert (sent[3], len(batcher)) == ([5], 0)
    batcher.flush()
    assert len(sent) == 4


async def test_batcher_returns_the_result_of_send_and_its_unsent_items() -> None:
    """Batcher's ``add()`` and ``flush()`` return the result of ``send``, and ``take()`` returns
    unsent items.
    """
    batcher: rtmon.Batcher[str] = rtmon.Batcher("".join, size=2, delay=60)
    assert batcher.add("a") is None
    assert batcher.add("b") == "ab"
    assert batcher.flush() is None
    batcher.add("c")
    assert batcher.take() == ["c"]
    assert len(batcher) == 0


def test_batcher_raises_option_error_for_a_coroutine_function_or_wrong_options() -> None:
    """Batcher raises OptionError for a coroutine function as ``send``, and for an invalid size
    or delay.
    """

    async def later(items: list[Any]) -> None:
        """Never called."""

    for send, options in ((later, {}), (None, {}), (print, {"size": 0}), (print, {"delay": -1})):
        with pytest.raises(OptionError):
            rtmon.Batcher(send, **options)  # type: ignore[arg-type]
