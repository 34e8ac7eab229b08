"""Keep a client below the rate limit of its server. Pure: time is passed in."""

from __future__ import annotations

from ..core.token_bucket import Bucket

__all__ = ["SendRate"]

_BURST = 500.0
"""Maximum number of messages sent at once, so that a long queue is spread over time."""

_SHARE = 0.95
"""Fraction of the server's rate and burst to use: clocks differ, and heartbeats count too."""


class SendRate:
    """A token bucket with the rate and burst of the server's welcome.

    Without a rate there is no limit.
    """

    def __init__(self) -> None:
        self._bucket: Bucket | None = None

    def start(self, now: float, *, rate: float | None, burst: int | None) -> None:
        """Reset to a full bucket for a new connection; without a burst it holds a second's rate."""
        if rate is None:
            self._bucket = None
            return
        size = max(1.0, min(_BURST, (burst or rate) * _SHARE))
        self._bucket = Bucket(rate=rate * _SHARE, burst=size, now=now)

    def left(self, now: float) -> int:
        """Return how many messages may be sent now."""
        return int(_BURST) if self._bucket is None else self._bucket.available(now)

    def spend(self, messages: int) -> None:
        """Count messages that were sent."""
        if self._bucket is not None:
            self._bucket.take(messages)

    def stop(self) -> None:
        """Pause after a rate limit error of the server."""
        if self._bucket is not None:
            self._bucket.drain()

    def due(self, now: float) -> float:
        """Return the time from which the next message may be sent."""
        return now if self._bucket is None else now + self._bucket.wait(now)
