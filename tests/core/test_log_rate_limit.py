"""Log limit: at most one log line per minute."""

from __future__ import annotations

from rtmon.core.log_rate_limit import LogLimit


def test_log_limit_allows_one_line_each_minute() -> None:
    """Log limit allows one line per minute, appends the number of suppressed lines to the next
    line, and counts all lines.
    """
    limit = LogLimit(60.0)
    lines = [limit.take(now) for now in (0.0, 1.0, 59.0, 60.0, 61.0, 200.0, 300.0)]
    more = " ({} more since the last such line)"
    assert lines == ["", None, None, more.format(2), None, more.format(1), ""]
    assert limit.count == 7
