"""Shared by the tests of the probe for ``websockets``."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["probe", "fast path"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Run a test with the probe alone, and with the fast path before it."""
    return bool(request.param)
