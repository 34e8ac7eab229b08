"""How much one connection may send. Pure: time is passed in."""

from __future__ import annotations

from typing import Literal

from ..protocol import limits

__all__ = ["Limiter", "Verdict"]

Verdict = Literal["take", "refuse", "close"]


class Limiter:
    """A bucket that holds ``burst`` messages and is refilled at ``rate`` a second.

    A message that finds it empty is refused; so many refused in a row that it can only be a
    flood end the connection.
    """

    __slots__ = ("_burst", "_left", "_rate", "_strikes", "_when")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left = float(burst)
        self._when = now
        self._strikes = 0

    def take(self, now: float) -> Verdict:
        """A message has come."""
        self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        if self._left >= 1.0:
            self._left -= 1.0
            if self._left >= self._burst / 2:
                # Half a bucket again: the sender has paused.
                self._strikes = 0
            return "take"
        self._strikes += 1
        return "close" if self._strikes >= limits.FLOOD_STRIKES else "refuse"

    def refund(self) -> None:
        """A message taken turned out to be bounded by something else."""
        self._left = min(self._burst, self._left + 1.0)
