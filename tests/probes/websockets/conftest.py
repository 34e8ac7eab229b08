"""What tests of the probe for ``websockets`` share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["probe", "fast path"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Run a test with the probe alone, and with the fast path in front of it."""
    return bool(request.param)
