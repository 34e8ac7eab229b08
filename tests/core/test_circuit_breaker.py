"""Circuit breaker: single requests to a failed service at growing intervals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rtmon.core.backoff import Backoff
from rtmon.core.circuit_breaker import CircuitBreaker


def test_circuit_breaker_allows_one_request_after_each_growing_wait() -> None:
    """Circuit breaker allows one request after each wait while the service fails, and the wait
    doubles up to its maximum.
    """
    breaker, now = CircuitBreaker(Backoff(base=0.1, max=1.0)), 100.0
    assert breaker.take(now) == 0
    breaker.failed(now)
    asked: list[float] = []
    for _ in range(10_000):
        now += 0.001
        if not breaker.take(now):
            asked.append(now)
            breaker.failed(now)
    assert len(asked) == 12
    waits = [after - before for before, after in pairwise(asked)]
    assert waits[:4] == pytest.approx([0.2, 0.4, 0.8, 1.0], abs=0.01)
    assert waits[4:] == pytest.approx([1.0] * 7, abs=0.01)


def test_circuit_breaker_closes_after_a_success_and_starts_with_the_shortest_wait() -> None:
    """Circuit breaker allows all requests after a success, and starts with the shortest wait at
    the next failure.
    """
    breaker = CircuitBreaker(Backoff(base=0.1, max=1.0))
    for now in (0.0, 1.0, 2.0):
        breaker.take(now)
        breaker.failed(now)
    assert breaker.open
    assert breaker.wait(2.0) == pytest.approx(0.4)
    breaker.succeeded()
    assert not breaker.open
    assert [breaker.take(2.0) for _ in range(5)] == [0.0] * 5
    breaker.failed(2.0)
    assert breaker.wait(2.0) == pytest.approx(0.1)


def test_circuit_breaker_counts_simultaneous_failures_as_one() -> None:
    """Circuit breaker does not lengthen its wait for 500 failures at the same time."""
    breaker = CircuitBreaker(Backoff(base=0.1, max=1.0))
    for _ in range(500):
        breaker.failed(0.0)
    assert breaker.wait(0.0) == pytest.approx(0.1)


def test_circuit_breaker_allows_another_request_when_one_gets_no_answer() -> None:
    """Circuit breaker allows another request after one wait when the previous request got no
    answer.
    """
    breaker = CircuitBreaker(Backoff(base=0.1, max=1.0))
    breaker.failed(0.0)
    assert breaker.take(0.2) == 0
    assert breaker.take(0.2) == pytest.approx(0.1)
    assert breaker.take(0.35) == 0
