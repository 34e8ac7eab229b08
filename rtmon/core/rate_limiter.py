"""Rate limits by key, such as a client, a user or an address. Pure."""

from __future__ import annotations

from collections.abc import Callable

from .clock import SYSTEM_CLOCK
from .option_validation import within
from .token_bucket import Bucket, Buckets

__all__ = ["RateLimiter"]


class RateLimiter:
    """Limits what each key does: ``burst`` times at once, ``rate`` times a second lastingly.

    A token bucket for each key::

        limiter = RateLimiter(rate=100 / 60, burst=100)  # a hundred a minute
        if not limiter.allow(client_id):
            print("come back in", limiter.wait(client_id), "seconds")

    A key costs two numbers, however much it does. Past ``capacity`` keys the one longest unused is
    forgotten; it has ``burst`` again.

    Args:
        rate: tokens a second.
        burst: tokens that a key has at most, and at first.
        capacity: keys that are remembered.
        clock: monotonic seconds.

    Raises:
        OptionError: a number makes no sense.
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
        """Take a token. Returns False, and takes none, if the key has none."""
        bucket = self.bucket(key)
        if bucket.wait(self._clock()):
            return False
        bucket.take()
        return True

    def wait(self, key: str = "") -> float:
        """Return the seconds until the key has a token; 0.0 if it has one."""
        return self.bucket(key).wait(self._clock())

    def remaining(self, key: str = "") -> int:
        """Return how many tokens the key has."""
        return self.bucket(key).available(self._clock())

    def reset(self, key: str = "") -> float:
        """Return the seconds until the key has ``burst`` tokens again."""
        return self.bucket(key).reset(self._clock())

    def bucket(self, key: str) -> Bucket:
        """Return the bucket of a key, for what needs tokens of several limits; do not keep it."""
        return self._buckets.get(key, self._clock())
