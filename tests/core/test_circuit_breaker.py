"""Circuit breaker: probing a failed service with growing waits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rtmon.core.backoff import Backoff
from rtmon.core.circuit_breaker import CircuitBreaker


def test_breaker_lets_one_request_through_after_each_growing_wait() -> None:
    """While the service fails, waits double up to the bound, for any number of requests."""
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


def test_breaker_closes_when_a_request_succeeds() -> None:
    """After a success all requests go, and the next failure begins with the shortest wait."""
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


def test_breaker_counts_requests_under_way_as_one_failure() -> None:
    """Requests under way when the first one failed do not make the wait grow."""
    breaker = CircuitBreaker(Backoff(base=0.1, max=1.0))
    for _ in range(500):
        breaker.failed(0.0)
    assert breaker.wait(0.0) == pytest.approx(0.1)


def test_breaker_lets_another_request_through_when_the_last_got_no_answer() -> None:
    """A request without an answer holds the others back no longer than one wait."""
    breaker = CircuitBreaker(Backoff(base=0.1, max=1.0))
    breaker.failed(0.0)
    assert breaker.take(0.2) == 0
    assert breaker.take(0.2) == pytest.approx(0.1)
    assert breaker.take(0.35) == 0
