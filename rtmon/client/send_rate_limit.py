"""Keep a client's messages within the rate limit of its server. No I/O; time is passed in."""

from __future__ import annotations

from ..core.token_bucket import Bucket

__all__ = ["SendRate"]

_BURST = 500.0
"""Maximum number of messages sent at once, even if the server allows more. So a long queue is sent
over some time."""

_SHARE = 0.95
"""Share of the server's rate and burst that the client uses. The rest allows for differences
between the clocks, and for heartbeats."""


class SendRate:
    """A token bucket with the rate and burst from the server's welcome message.

    If the server has no rate limit, sending is not limited.
    """

    def __init__(self) -> None:
        self._bucket: Bucket | None = None

    def start(self, now: float, *, rate: float | None, burst: int | None) -> None:
        """Start with a full bucket, for a new connection.

        Args:
            now: monotonic seconds.
            rate: the server's limit in messages a second; None for no limit.
            burst: number of messages that the server accepts at once; if None, the number for one
                second.
        """
        if rate is None:
            self._bucket = None
            return
        size = max(1.0, min(_BURST, (burst or rate) * _SHARE))
        self._bucket = Bucket(rate=rate * _SHARE, burst=size, now=now)

    def left(self, now: float) -> int:
        """Return the number of messages that may be sent now."""
        return int(_BURST) if self._bucket is None else self._bucket.available(now)

    def spend(self, messages: int) -> None:
        """Take tokens for messages that were sent."""
        if self._bucket is not None:
            self._bucket.take(messages)

    def stop(self) -> None:
        """Take all tokens, after the server has refused a message by its rate limit."""
        if self._bucket is not None:
            self._bucket.drain()

    def due(self, now: float) -> float:
        """Return the monotonic time from which the next message may be sent."""
        return now if self._bucket is None else now + self._bucket.wait(now)
