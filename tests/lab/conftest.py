"""Fixture with a fault proxy between a client and a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.lab.bench import Bench, set_up


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A TCP server behind a proxy with default options."""
    async with set_up() as bench:
        yield bench
