"""Token buckets for rate limits: burst and rate. Pure: time is passed in."""

from __future__ import annotations

from .lru_cache import LRU

__all__ = ["Bucket", "Buckets"]

_ROUNDING = 1e-6
"""Of a token: less than this is lost in adding up times, and who waited as told has waited."""


class Bucket:
    """Holds ``burst`` tokens at most, and is refilled at ``rate`` a second.

    In any time of t seconds no more than ``burst + rate * t`` can be taken. It is two numbers,
    however much is taken: a list of the times at which it was, as sliding windows keep one,
    grows with what it should bound.
    """

    __slots__ = ("_burst", "_left", "_rate", "_when")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self._left = float(burst)
        self._when = now

    @property
    def burst(self) -> float:
        """The most tokens that it holds."""
        return self._burst

    def available(self, now: float) -> int:
        """Return how many tokens there are."""
        self.wait(now)
        return int(self._left + _ROUNDING)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0.0 if there is one."""
        self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        return 0.0 if self._left >= 1.0 - _ROUNDING else (1.0 - self._left) / self._rate

    def reset(self, now: float) -> float:
        """Seconds until it is full."""
        self.wait(now)
        return (self._burst - self._left) / self._rate

    def take(self, tokens: int = 1) -> None:
        """Take tokens that there are."""
        self._left -= tokens

    def drain(self) -> None:
        """Take all tokens that there are."""
        self._left = min(self._left, 0.0)

    def put_back(self) -> None:
        """A token taken was not needed."""
        self._left = min(self._burst, self._left + 1.0)

    @property
    def fullness(self) -> float:
        """How full it was when it was looked at last, from 0.0 to 1.0."""
        return self._left / self._burst


class Buckets:
    """A bucket for each key, of a bounded number of keys.

    Past the bound the one longest unused is forgotten, which is full again unless more keys than
    that were used while it was being refilled.

    Args:
        rate, burst: of each.
        capacity: the bound.
    """

    def __init__(self, *, rate: float, burst: int, capacity: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[str, Bucket] = LRU(capacity)

    def __len__(self) -> int:
        return len(self._buckets)

    def get(self, key: str, now: float) -> Bucket:
        """Return the bucket of a key; do not keep it."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket(rate=self._rate, burst=self._burst, now=now)
            self._buckets.put(key, bucket)
        return bucket
