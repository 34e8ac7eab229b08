"""No faster than the server takes it. Pure: time is passed in."""

from __future__ import annotations

__all__ = ["Pace"]

_BURST = 500.0
"""Messages at once, at most: the rest of a long queue need not come all in one breath."""

_SHARE = 0.95
"""Of the server's rate and burst: its clock and ours need not agree, and heartbeats count too."""

_ROUNDING = 1e-6
"""Of a message: less than this is lost in adding up times."""


class Pace:
    """A bucket of messages, of the size and the rate that the server's welcome names."""

    def __init__(self) -> None:
        self._rate = float("inf")
        self._left = self._burst = _BURST
        self._when = 0.0

    def start(self, now: float, *, rate: float, burst: int | None) -> None:
        """A connection begins, with a full bucket: a second's worth if its size is not known."""
        self._rate = rate * _SHARE
        self._burst = self._left = max(1.0, min(_BURST, (burst or rate) * _SHARE))
        self._when = now

    def left(self, now: float) -> int:
        """Messages that may be sent now."""
        if self._rate == float("inf"):
            return int(_BURST)
        self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        # Rounding must not make it wait for nothing.
        return int(self._left + _ROUNDING)

    def spend(self, messages: int) -> None:
        """So many were sent."""
        self._left -= messages

    def stop(self) -> None:
        """The server has refused one: it needs a pause."""
        self._left = min(self._left, 0.0)

    def due(self) -> float:
        """When the next message may be sent."""
        if self._rate == float("inf") or self._left >= 1.0 - _ROUNDING:
            return self._when
        return self._when + (1.0 - self._left) / self._rate
