"""Backoff: growing, randomized delays between attempts to connect or send. No I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from .option_validation import one_of, within

__all__ = ["Backoff"]

_DAY = 86_400.0

_SHARES = {"full": 1.0, "none": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays between attempts: exponential backoff with an upper bound and jitter.

    With full jitter, each delay is drawn from the range between zero and the bound of its attempt.
    So clients that were disconnected together reconnect at different times.

    Attributes:
        base: bound of the first delay, in seconds.
        factor: the bound is multiplied by this number after each further failure.
        max: largest bound, in seconds.
        jitter: random part of each delay, from 0 to 1. A delay is drawn uniformly from the range
            between ``(1 - jitter)`` times the bound and the bound. ``full`` is 1, ``none`` is 0.
        attempts: number of failures in a row after which another attempt is made; the next failure
            is final. None for an unlimited number.
    """

    base: float = 0.5
    factor: float = 2.0
    max: float = 30.0
    jitter: Literal["full", "none"] | float = "full"
    attempts: int | None = None

    def __post_init__(self) -> None:
        within("max", self.max, 0.001, _DAY)
        within("base", self.base, 0.001, self.max)
        within("factor", self.factor, 1, float("inf"))
        if isinstance(self.jitter, str):
            one_of("jitter", self.jitter, "full", "none")
        else:
            within("jitter", self.jitter, 0, 1)
        if self.attempts is not None:
            within("attempts", self.attempts, 0, float("inf"))

    def bound(self, failures: int) -> float:
        """Return the longest delay, in seconds, after ``failures`` failures in a row (from 1)."""
        bound = self.base
        # A power would overflow after a day of failures, so the bound is multiplied step by step.
        for _ in range(failures - 1):
            bound *= self.factor
            if bound >= self.max or self.factor == 1:
                break
        return min(bound, self.max)

    def delay(self, failures: int, rng: random.Random) -> float | None:
        """Return the delay, in seconds, after ``failures`` failures in a row (from 1).

        Args:
            failures: number of failed attempts in a row.
            rng: source of random numbers for the jitter.

        Returns:
            The delay; None if no further attempt is allowed.
        """
        if self.attempts is not None and failures > self.attempts:
            return None
        bound = self.bound(failures)
        share = _SHARES[self.jitter] if isinstance(self.jitter, str) else self.jitter
        return rng.uniform(bound * (1 - share), bound) if share else bound
