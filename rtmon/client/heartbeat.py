"""Detect a dead connection by heartbeat messages. No I/O; time is passed in."""

from __future__ import annotations

__all__ = ["Heartbeat"]


class Heartbeat:
    """Decides when to send a ``ping``, and when a connection is dead.

    A ``ping`` is due ``interval`` seconds after the last ``ping``. The connection is dead if
    nothing arrives for ``timeout`` seconds after a ``ping`` was sent or due.

    Attributes:
        rtt: round-trip time of the last ``ping``, in seconds; None before the first.
    """

    def __init__(self, *, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._heard = 0.0
        self._pinged = 0.0
        self._waiting: str | None = None
        self.rtt: float | None = None

    def start(self, now: float) -> None:
        """Reset the timers and the pending ``ping``, for a new connection."""
        self._heard = self._pinged = now
        self._waiting = None

    def heard(self, now: float) -> None:
        """Record that data arrived from the server."""
        self._heard = now

    def hurry(self, now: float) -> None:
        """Make a ``ping`` due now."""
        self._pinged = min(self._pinged, now - self._interval)

    @property
    def free(self) -> bool:
        """True if no ``ping`` waits for its answer. At most one ``ping`` waits at any time."""
        return self._waiting is None

    def wants_ping(self, now: float) -> bool:
        """Return True if a ``ping`` is due."""
        return self.free and now - self._pinged >= self._interval

    def pinged(self, key: str, now: float) -> None:
        """Record that a ``ping`` with this id was sent."""
        self._waiting, self._pinged = key, now

    def answered(self, key: str | None, now: float) -> bool:
        """Handle a ``pong`` to message ``key``. Returns True if that is the pending ``ping``."""
        if key is None or key != self._waiting:
            return False
        self._waiting = None
        self.rtt = now - self._pinged
        return True

    def refused(self, key: str | None) -> bool:
        """Handle a refusal of message ``key``. Returns True if that is the pending ``ping``."""
        if key is None or key != self._waiting:
            return False
        self._waiting = None
        return True

    def dead(self, now: float) -> bool:
        """Return True if the connection is dead."""
        return now >= self._due_dead()

    def due(self, now: float) -> float:
        """Return the next time at which :meth:`wants_ping` or :meth:`dead` may return True."""
        ping = self._pinged + self._interval
        return ping if self.free and now < ping else self._due_dead()

    def _due_dead(self) -> float:
        # A ping that is due but not sent waits because the transport accepts no data.
        asked = self._pinged + (self._interval if self.free else 0.0)
        return max(asked, self._heard) + self._timeout
