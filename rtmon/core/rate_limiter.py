"""Rate limits per key, such as a client id, a user id or an IP address. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from .clock import SYSTEM_CLOCK
from .option_validation import within
from .token_bucket import Bucket, Buckets

__all__ = ["RateLimiter"]


class RateLimiter:
    """Limits the rate of each key: ``burst`` actions at once, ``rate`` actions a second over time.

    Each key has a token bucket::

        limiter = RateLimiter(rate=100 / 60, burst=100)  # a hundred a minute
        if not limiter.allow(client_id):
            print("come back in", limiter.wait(client_id), "seconds")

    The limiter stores two numbers for each key, however often the key is used. Above ``capacity``
    keys, the least recently used key is deleted. When it is used again, it starts with ``burst``
    tokens.

    Args:
        rate: tokens added per second.
        burst: maximum number of tokens of a key, and the number that a new key has.
        capacity: maximum number of keys.
        clock: returns monotonic seconds.

    Raises:
        OptionError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: int,
        capacity: int = 10_000,
        clock: Callable[[], float] = SYSTEM_CLOCK.monotonic,
    ) -> None:
        within("rate", rate, 0.001, float("inf"))
        within("burst", burst, 1, 1_000_000_000)
        within("capacity", capacity, 1, 1_000_000_000)
        self._buckets = Buckets(rate=rate, burst=burst, capacity=capacity)
        self._clock = clock

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, key: str = "") -> bool:
        """Take one token of a key. Returns False, and takes nothing, if the key has no token."""
        bucket = self.bucket(key)
        if bucket.wait(self._clock()):
            return False
        bucket.take()
        return True

    def wait(self, key: str = "") -> float:
        """Return the seconds until the key has one token; 0.0 if it has one now."""
        return self.bucket(key).wait(self._clock())

    def remaining(self, key: str = "") -> int:
        """Return the number of whole tokens that the key has now."""
        return self.bucket(key).available(self._clock())

    def reset(self, key: str = "") -> float:
        """Return the seconds until the key has ``burst`` tokens, if none are taken."""
        return self.bucket(key).reset(self._clock())

    def bucket(self, key: str) -> Bucket:
        """Return the token bucket of a key, for callers that combine several rate limits.

        Do not keep the bucket: its key may be evicted.
        """
        return self._buckets.get(key, self._clock())
