"""SI prefixes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.si_prefixes import PREFIXES, scale


@given(st.floats(-1e17, 1e17), st.sampled_from([999.5, 1000.0]))
def test_scale_keeps_the_value_below_its_limit(value: float, limit: float) -> None:
    """A scaled number times its prefix is the number, and only those too large reach 1000."""
    number, prefix = scale(value, limit=limit)
    assert number * 1000 ** PREFIXES.index(prefix) == pytest.approx(value)
    assert abs(number) < limit
    assert not prefix or abs(number) >= limit / 1000.0001


def test_scale_keeps_the_last_prefix_for_larger_numbers() -> None:
    """A number too large for the last prefix keeps it."""
    assert scale(2e18) == (2000.0, "P")
