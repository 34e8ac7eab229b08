"""A circuit breaker: after failures, requests to a service are limited to rare probes. Pure."""

from __future__ import annotations

from .backoff import Backoff

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Lets one request through after each wait; the waits grow until one succeeds.

    Args:
        backoff: bounds the waits; they are not spread by chance, because one request is let
            through however many wait.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """True while requests are held off."""
        return self._failures > 0

    def wait(self, now: float) -> float:
        """Return the seconds until the next request is let through; 0 if it may go now."""
        return max(0.0, self._until - now) if self._failures else 0.0

    def take(self, now: float) -> float:
        """Ask to let a request through. Returns the seconds to wait; 0 if it may go."""
        left = self.wait(now)
        if self._failures and not left:
            # Should this one get no answer, the next goes after another wait.
            self._probing, self._until = True, now + self._backoff.bound(self._failures)
        return left

    def failed(self, now: float) -> None:
        """Note that the service has refused a request."""
        # Those that were under way when the first was refused say nothing new.
        if self._probing or not self._failures:
            self._failures += 1
            self._until = now + self._backoff.bound(self._failures)
            self._probing = False

    def succeeded(self) -> None:
        """Note that the service has accepted a request."""
        self._failures, self._until, self._probing = 0, 0.0, False
