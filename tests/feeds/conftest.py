"""Fixtures for tests of feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.feeds.rigs import RIGS, Rig


@pytest.fixture(params=RIGS.values(), ids=RIGS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A rig of each kind of feed."""
    async with request.param() as rig:
        yield rig
