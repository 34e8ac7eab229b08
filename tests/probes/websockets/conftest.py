"""Fixtures for the tests of the probe for ``websockets``."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["probe", "fast path"])
def fast(request: pytest.FixtureRequest) -> bool:
    """False for the probe alone, then True for the fast path with the probe."""
    return bool(request.param)
