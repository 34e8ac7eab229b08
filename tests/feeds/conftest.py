"""Fixtures for tests of feeds, which read the data of a Monitor."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.feeds.rigs import RIGS, Rig


@pytest.fixture(params=RIGS.values(), ids=RIGS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Provide a Monitor with a feed, for each kind of feed in turn."""
    async with request.param() as rig:
        yield rig
