"""A proxy between two ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.lab.bench import Bench, set_up


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A proxy as it is by default."""
    async with set_up() as bench:
        yield bench
