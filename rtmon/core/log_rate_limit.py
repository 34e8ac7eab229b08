"""Rate limit for repeated log lines. Pure: time is passed in."""

from __future__ import annotations

__all__ = ["LogLimit"]


class LogLimit:
    """Allows one line in each interval, and counts the suppressed ones.

    Args:
        seconds: the interval.

    Attributes:
        count: how often the trouble was met, logged or not.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self.count = 0
        self._seconds = seconds
        self._next = float("-inf")
        self._left_out = 0

    def take(self, now: float) -> str | None:
        """Count the trouble once more.

        Args:
            now: seconds that only grow.

        Returns:
            What to put behind the line: how many were left out since the last one, or nothing.
            None if no line is to be logged now.
        """
        self.count += 1
        if now < self._next:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        self._next = now + self._seconds
        return f" ({left_out:,} more since the last such line)" if left_out else ""
