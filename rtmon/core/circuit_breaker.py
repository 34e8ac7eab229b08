"""A circuit breaker: blocks requests to a failing service, except for rare probe requests."""

from __future__ import annotations

from .backoff import Backoff

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Blocks requests to a failing service, except for one probe request after each delay.

    The delays grow until a request succeeds.

    Args:
        backoff: bounds of the delays. There is no jitter, because only one request at a time is
            let through.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """True while the service is failing and requests are blocked."""
        return self._failures > 0

    def wait(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0.0 if it may be sent now."""
        return max(0.0, self._until - now) if self._failures else 0.0

    def take(self, now: float) -> float:
        """Reserve a request. Returns the seconds to wait; 0.0 if it may be sent now."""
        left = self.wait(now)
        if self._failures and not left:
            # If the service never answers this request, another request may be sent after the
            # delay.
            self._probing, self._until = True, now + self._backoff.bound(self._failures)
        return left

    def failed(self, now: float) -> None:
        """Record that a request to the service has failed."""
        # Requests that were sent before the first failure may fail, too. They must not lengthen the
        # delay.
        if self._probing or not self._failures:
            self._failures += 1
            self._until = now + self._backoff.bound(self._failures)
            self._probing = False

    def succeeded(self) -> None:
        """Record that a request to the service has succeeded; requests are no longer blocked."""
        self._failures, self._until, self._probing = 0, 0.0, False
