"""Scaling of numbers with SI prefixes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.si_prefixes import PREFIXES, scale


@given(st.floats(-1e17, 1e17), st.sampled_from([999.5, 1000.0]))
def test_scale_returns_a_number_below_the_limit_with_the_right_prefix(
    value: float, limit: float
) -> None:
    """``scale(value, limit)`` returns a number below ``limit`` and an SI prefix, which together
    equal ``value``.
    """
    number, prefix = scale(value, limit=limit)
    assert number * 1000 ** PREFIXES.index(prefix) == pytest.approx(value)
    assert abs(number) < limit
    assert not prefix or abs(number) >= limit / 1000.0001


def test_scale_keeps_the_largest_prefix_for_larger_numbers() -> None:
    """``scale()`` keeps its largest prefix, P (10¹⁵), for larger numbers, so that 2e18 becomes
    2000 P.
    """
    assert scale(2e18) == (2000.0, "P")
