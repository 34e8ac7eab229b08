"""Rate limiter with a token bucket for each key."""

from __future__ import annotations

import pytest

import rtmon
from rtmon.errors import OptionError
from rtmon.testing import FakeClock


def test_rate_limiter_allows_a_burst_and_then_the_rate() -> None:
    """Rate limiter allows each key a burst and then the rate, and returns remaining messages,
    wait and reset time.
    """
    clock = FakeClock()
    limiter = rtmon.RateLimiter(rate=2, burst=3, clock=clock.monotonic)
    assert [limiter.allow("ada") for _ in range(4)] == [True, True, True, False]
    assert (limiter.remaining("ada"), limiter.remaining("bo")) == (0, 3)
    assert limiter.wait("ada") == pytest.approx(0.5)
    assert limiter.reset("ada") == pytest.approx(1.5)
    clock.advance(0.5)
    assert limiter.remaining("ada") == 1
    assert [limiter.allow("ada") for _ in range(2)] == [True, False]
    clock.advance(60)
    assert limiter.remaining("ada") == 3
    assert (limiter.wait("ada"), limiter.reset("ada")) == (0.0, 0.0)


def test_rate_limiter_evicts_the_least_recently_used_key() -> None:
    """Rate limiter evicts the least recently used key above its capacity."""
    limiter = rtmon.RateLimiter(rate=0.001, burst=1, capacity=3)
    for number in range(100):
        limiter.allow("busy")
        limiter.allow(str(number))
        assert len(limiter) <= 3
    assert not limiter.allow("busy")
    assert limiter.allow("0")


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"burst": 0}, {"capacity": 0}, {"rate": "fast"}])
def test_rate_limiter_raises_option_error_for_numbers_that_are_not_positive(
    wrong: dict[str, object],
) -> None:
    """Rate limiter raises OptionError when its rate, burst or capacity is not a positive number."""
    with pytest.raises(OptionError):
        rtmon.RateLimiter(**{"rate": 1, "burst": 1, **wrong})  # type: ignore[arg-type]
