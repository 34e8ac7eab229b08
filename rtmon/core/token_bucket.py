"""Token buckets for rate limits: burst and rate. No I/O; time is passed in."""

from __future__ import annotations

from .lru_cache import LRU

__all__ = ["Bucket", "Buckets"]

_ROUNDING = 1e-6
"""Tolerance, in tokens, for rounding errors when times are added up. A client that has waited for
the reported time always gets its token."""


class Bucket:
    """Holds at most ``burst`` tokens and is refilled at ``rate`` tokens a second.

    In any period of t seconds, at most ``burst + rate * t`` tokens can be taken. A bucket stores
    two numbers, however often it is used. A sliding window that stores the time of each action
    would grow with the number of actions.
    """

    __slots__ = ("_burst", "_left", "_rate", "_when")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self._left = float(burst)
        self._when = now

    @property
    def burst(self) -> float:
        """Maximum number of tokens."""
        return self._burst

    def available(self, now: float) -> int:
        """Return the number of whole tokens in the bucket."""
        self.wait(now)
        return int(self._left + _ROUNDING)

    def wait(self, now: float) -> float:
        """Return the seconds until the bucket has one token; 0.0 if it has one now."""
        self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        return 0.0 if self._left >= 1.0 - _ROUNDING else (1.0 - self._left) / self._rate

    def reset(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        self.wait(now)
        return (self._burst - self._left) / self._rate

    def take(self, tokens: int = 1) -> None:
        """Take tokens. The caller must have checked that the bucket has them."""
        self._left -= tokens

    def drain(self) -> None:
        """Take all tokens."""
        self._left = min(self._left, 0.0)

    def put_back(self) -> None:
        """Put back one token that was taken and not needed."""
        self._left = min(self._burst, self._left + 1.0)

    @property
    def fullness(self) -> float:
        """Share of ``burst`` that the bucket had at its last use, from 0.0 to 1.0."""
        return self._left / self._burst


class Buckets:
    """Token buckets by key, for a bounded number of keys.

    Above ``capacity`` keys, the least recently used bucket is deleted. When its key is used again,
    the key gets a full bucket. By then the deleted bucket would usually have been full, too.

    Args:
        rate: tokens added to each bucket per second.
        burst: maximum number of tokens in each bucket.
        capacity: maximum number of keys.
    """

    def __init__(self, *, rate: float, burst: int, capacity: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[str, Bucket] = LRU(capacity)

    def __len__(self) -> int:
        return len(self._buckets)

    def get(self, key: str, now: float) -> Bucket:
        """Return the bucket of a key. Do not keep it: the key may be evicted."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket(rate=self._rate, burst=self._burst, now=now)
            self._buckets.put(key, bucket)
        return bucket
