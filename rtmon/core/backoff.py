"""Backoff: growing, randomized delays between attempts. Pure."""

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
    """Waits that grow with each failure in a row, up to a bound, spread by chance.

    With full jitter each wait is drawn evenly from zero to the bound of its attempt: clients cut
    off together do not come back together.

    Attributes:
        base: seconds that the first wait is bounded by.
        factor: by which the bound grows with each further failure.
        max: seconds that no bound exceeds.
        jitter: share of each wait that is left to chance, from 0 to 1: the wait is drawn evenly
            from ``(1 - jitter)`` times the bound to the bound. ``full`` is 1, ``none`` is 0.
        attempts: failures in a row that are borne; one more, and it gives up. None never does.
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
        """The longest wait (seconds) after so many failures in a row, from 1."""
        bound = self.base
        # Multiplied step by step: a power would overflow after a day of failures.
        for _ in range(failures - 1):
            bound *= self.factor
            if bound >= self.max or self.factor == 1:
                break
        return min(bound, self.max)

    def delay(self, failures: int, rng: random.Random) -> float | None:
        """The wait (seconds) after so many failures in a row, from 1; None to give up."""
        if self.attempts is not None and failures > self.attempts:
            return None
        bound = self.bound(failures)
        share = _SHARES[self.jitter] if isinstance(self.jitter, str) else self.jitter
        return rng.uniform(bound * (1 - share), bound) if share else bound
