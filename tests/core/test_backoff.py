"""Backoff: growing random delays between attempts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.backoff import Backoff
from rtmon.errors import OptionError


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_backoff_delay_is_random_below_a_limit_that_doubles_up_to_its_maximum(
    failures: int, seed: int
) -> None:
    """Backoff delay is random between zero and a limit that doubles with each failure up to its
    maximum.
    """
    backoff = Backoff(base=0.5, max=30)
    delay = backoff.delay(failures, random.Random(seed))
    assert delay is not None
    assert 0 <= delay <= backoff.bound(failures)
    assert backoff.bound(failures) == min(30, 0.5 * 2 ** min(failures - 1, 10))
    assert Backoff(jitter="none").delay(failures, random.Random(seed)) == backoff.bound(failures)
    assert Backoff(jitter=0).delay(failures, random.Random(seed)) == backoff.bound(failures)
    assert Backoff(jitter=1.0).delay(failures, random.Random(seed)) == delay
    tenth = Backoff(jitter=0.1).delay(failures, random.Random(seed))
    assert tenth is not None
    assert 0.9 * backoff.bound(failures) <= tenth <= backoff.bound(failures)


def test_backoff_returns_no_delay_after_its_maximum_of_attempts() -> None:
    """Backoff returns None instead of a delay after its maximum number of attempts."""
    backoff = Backoff(attempts=2)
    rng = random.Random(1)
    assert backoff.delay(2, rng) is not None
    assert backoff.delay(3, rng) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *({"base": 0}, {"base": 31}, {"base": "1"}, {"max": None}, {"factor": 0.5}),
        *({"jitter": "some"}, {"jitter": []}, {"jitter": 1.1}, {"attempts": -1}, {"attempts": "3"}),
    ],
)
def test_backoff_raises_option_error_that_names_an_invalid_option(wrong: dict[str, object]) -> None:
    """Backoff raises OptionError that names an invalid option."""
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Backoff(**wrong)  # type: ignore[arg-type]
