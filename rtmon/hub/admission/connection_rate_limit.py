"""Rate limit for the messages of one connection: a token bucket, and detection of floods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...core.token_bucket import Bucket
from ...protocol import limits

__all__ = ["Budget", "ConnectionRate"]


class Budget(NamedTuple):
    """What remains of a rate limit.

    Attributes:
        limit: number of messages that may be sent at once after a pause.
        remaining: number of messages that may be sent now.
        reset: seconds until ``limit`` messages may be sent at once, rounded up to milliseconds.
    """

    limit: int
    remaining: int
    reset: float


class ConnectionRate:
    """Rate limit for the messages of one connection.

    A message is refused if the token bucket is empty. After
    :data:`rtmon.protocol.limits.FLOOD_STRIKES` refused messages, the connection counts as flooding
    and is to be closed. The count of refused messages restarts once the bucket is half full again.

    Args:
        rate: sustained messages a second.
        burst: number of messages that may be sent at once before the rate limit applies.
        now: the time, in monotonic seconds.
    """

    __slots__ = ("_bucket", "_strikes")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        self._bucket = Bucket(rate=rate, burst=burst, now=now)
        self._strikes = 0

    @property
    def flooded(self) -> bool:
        """True if so many messages were refused that the connection must be closed."""
        return self._strikes >= limits.FLOOD_STRIKES

    def take(self, now: float, shared: Sequence[Bucket] = ()) -> float:
        """Take a token for a message.

        Args:
            now: the time, in monotonic seconds.
            shared: buckets that this connection shares with others. The message is accepted only if
                each of them has a token, too.

        Returns:
            0.0 if the message is accepted, else the seconds until it would be accepted.
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
            # A half-full bucket means that the client has paused, so it does not flood any more.
            self._strikes = 0
        return 0.0

    def budget(self, now: float, shared: Sequence[Bucket] = ()) -> Budget:
        """Return the connection's remaining budget, as limited by the strictest of its buckets."""
        buckets = (self._bucket, *shared)
        return Budget(
            limit=min(int(bucket.burst) for bucket in buckets),
            remaining=min(max(0, bucket.available(now)) for bucket in buckets),
            reset=math.ceil(max(bucket.reset(now) for bucket in buckets) * 1000) / 1000,
        )

    def refund(self) -> None:
        """Put back the token of a message that another limit already covers."""
        self._bucket.put_back()
