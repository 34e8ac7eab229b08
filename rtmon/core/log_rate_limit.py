"""Limit how often the same log line is written. No I/O; time is passed in."""

from __future__ import annotations

__all__ = ["LogLimit"]


class LogLimit:
    """Allows one log line in each interval, and counts the suppressed lines.

    Args:
        seconds: length of the interval.

    Attributes:
        count: number of occurrences so far, logged or not.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self.count = 0
        self._seconds = seconds
        self._next = float("-inf")
        self._left_out = 0

    def take(self, now: float) -> str | None:
        """Count one more occurrence, and decide if it may be logged.

        Args:
            now: monotonic seconds.

        Returns:
            Text to append to the log line: the number of lines suppressed since the last logged
            line, or an empty text if there were none. None if no line may be logged now.
        """
        self.count += 1
        if now < self._next:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        self._next = now + self._seconds
        return f" ({left_out:,} more since the last such line)" if left_out else ""
