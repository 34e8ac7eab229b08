"""Numbers as text: scaled, exact, durations, times of day and changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.views.number_format import (
    bytes_text,
    change,
    clock,
    delay,
    duration,
    exact,
    scaled,
    seconds,
    short,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("–", "B/s")),
        (0, ("0", "B/s")),
        (0.25, ("0.25", "B/s")),
        (9.994, ("9.99", "B/s")),
        (9.996, ("10.0", "B/s")),
        (99.96, ("100", "B/s")),
        (999.4, ("999", "B/s")),
        (999.6, ("1.00", "kB/s")),
        (1_864, ("1.86", "kB/s")),
        (2_460_000, ("2.46", "MB/s")),
        (10**19, ("10000", "PB/s")),
    ],
)
def test_scaled_number_has_three_digits_and_a_decimal_prefix(
    value: float | None, expected: tuple[str, str]
) -> None:
    """Scaled number on a dashboard has at most three digits and a decimal prefix, and null is
    shown as a dash.
    """
    assert scaled(value, "B/s") == expected


@given(st.floats(min_value=1e-2, max_value=1e17))
def test_scaled_number_differs_from_the_original_by_at_most_0_6_percent(value: float) -> None:
    """Scaled number on a dashboard, multiplied by its prefix, differs from the original by at
    most 0.6 % or 0.005.
    """
    text, unit = scaled(value, "")
    back = float(text) * 1000 ** ("", "k", "M", "G", "T", "P").index(unit)
    assert math.isclose(back, value, rel_tol=0.006, abs_tol=0.005)
    assert len(text.replace(".", "").lstrip("0")) <= 3


def test_duration_below_one_second_is_shown_in_milliseconds() -> None:
    """Duration is shown in milliseconds below one second and in seconds from one second on."""
    assert seconds(None) == ("–", "ms")
    assert seconds(0.000_42) == ("0.42", "ms")
    assert seconds(0.0259) == ("25.9", "ms")
    assert seconds(0.9996) == ("1.00", "s")
    assert (delay(0.0259), delay(None)) == ("25.9 ms", "–")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (999.7, "1k"), (1250, "1.25k"), (3.2e6, "3.2M"), (0.05, "0.05")],
)
def test_axis_number_has_a_prefix_and_no_trailing_zeros(value: float, text: str) -> None:
    """Number on a chart axis has a decimal prefix and no trailing zeros."""
    assert short(value) == text


def test_exact_number_shows_every_digit() -> None:
    """Exact number on a dashboard shows every digit with thousands separators, also for integers
    that a float cannot represent exactly.
    """
    assert exact(12_345_678_901_234_567_891) == "12,345,678,901,234,567,891"
    assert bytes_text(1_234) == "1,234 B"
    assert exact(None) == bytes_text(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1, "0 s"),
        (59.9, "59 s"),
        (62, "1 min 02 s"),
        (3_600 * 5 + 60 * 3, "5 h 03 min"),
        (86_400 * 2 + 3_600, "2 d 1 h"),
    ],
)
def test_duration_text_has_the_two_largest_units(value: float, text: str) -> None:
    """Text of a duration has the two largest units, and is "0 s" for a negative duration."""
    assert duration(value) == text


def test_time_of_day_is_shown_in_utc() -> None:
    """Time of day is shown in UTC."""
    assert clock(1_700_000_000) == "22:13:20"


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (10, None, ("", 0)),
        (None, 10, ("", 0)),
        (0, 0, ("no change", 0)),
        (5, 0, ("from 0", 1)),
        (100.4, 100, ("no change", 0)),
        (112, 100, ("12 %", 1)),
        (50, 100, ("50 %", -1)),
        (0, 100, ("100 %", -1)),
        (4_200, 100, ("× 42", 1)),
    ],
)
def test_change_text_is_a_percentage_or_factor_with_a_direction(
    now: float | None, before: float | None, expected: tuple[str, int]
) -> None:
    """Text of a change between two values is "no change", or a percentage or factor with the
    direction of the change, and is empty when one value is unknown.
    """
    assert change(now, before) == expected
