"""How much one connection may send. Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.token_bucket import Bucket
from ...protocol import limits

__all__ = ["Limiter"]


class Limiter:
    """A bucket for the messages of one connection, and patience with who finds it empty.

    A message that finds no token is refused; so many refused in a row that it can only be a
    flood end the connection.
    """

    __slots__ = ("_bucket", "_strikes")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        self._bucket = Bucket(rate=rate, burst=burst, now=now)
        self._strikes = 0

    @property
    def flooded(self) -> bool:
        """Whether so much was refused that the connection is to be closed."""
        return self._strikes >= limits.FLOOD_STRIKES

    def take(self, now: float, shared: Sequence[Bucket] = ()) -> float:
        """A message has come.

        Args:
            now: the time.
            shared: buckets of several connections that must have a token, too.

        Returns:
            In how many seconds it may come again; 0.0 if it is taken.
        """
        bucket = self._bucket
        wait = bucket.wait(now)
        if shared:
            wait = max(wait, *(other.wait(now) for other in shared))
        if wait:
            self._strikes += 1
            return wait
        bucket.take()
        for other in shared:
            other.take()
        if self._strikes and bucket.fullness >= 0.5:
            # Half a bucket again: the sender has paused.
            self._strikes = 0
        return 0.0

    def refund(self) -> None:
        """A message taken turned out to be bounded by something else."""
        self._bucket.put_back()
