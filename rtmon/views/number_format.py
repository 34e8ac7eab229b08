"""Format numbers, byte counts, durations and times of day as short texts for views."""

from __future__ import annotations

from datetime import UTC, datetime

from ..core.si_prefixes import scale

__all__ = [
    "UNKNOWN",
    "bytes_text",
    "change",
    "clock",
    "delay",
    "duration",
    "exact",
    "scaled",
    "seconds",
    "short",
    "three",
]

UNKNOWN = "–"
"""Text shown for an unknown value (None), which must not be shown as 0."""

_ROUNDS_TO_1000 = 999.5
"""Values from here on round to ``1000``, so they get the next SI prefix."""


def scaled(value: float | None, unit: str) -> tuple[str, str]:
    """Format a value with three significant digits and an SI prefix on its unit.

    Args:
        value: a number in base units; None if unknown.
        unit: the unit without prefix, such as ``B/s``.

    Returns:
        The number and the unit as two texts, such as ``("1.86", "kB/s")``.
    """
    if value is None:
        return UNKNOWN, unit
    size, prefix = scale(value, limit=_ROUNDS_TO_1000)
    return three(size), prefix + unit


def short(value: float) -> str:
    """Format an axis label with three significant digits, no trailing zeros: ``1.25k``."""
    size, prefix = scale(value, limit=_ROUNDS_TO_1000)
    return f"{size:.3g}{prefix}"


def three(value: float) -> str:
    """Format a value with three significant digits; an integer part keeps all its digits."""
    size = abs(value)
    if value == 0 or size >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def seconds(value: float | None) -> tuple[str, str]:
    """Format a duration in seconds as number and unit: ``("3.20", "ms")``, ``("1.50", "s")``."""
    if value is None:
        return UNKNOWN, "ms"
    return (three(value), "s") if value >= 0.9995 else (three(value * 1e3), "ms")


def delay(value: float | None) -> str:
    """Format a short duration in seconds, such as a round-trip time: ``3.20 ms``."""
    return UNKNOWN if value is None else "{} {}".format(*seconds(value))


def exact(value: int | None) -> str:
    """Format an integer with all its digits and thousands separators: ``1,234,567``."""
    return UNKNOWN if value is None else f"{value:,}"


def bytes_text(value: int | None) -> str:
    """Format a number of bytes with all its digits: ``1,234,567 B``."""
    return UNKNOWN if value is None else f"{value:,} B"


def duration(value: float) -> str:
    """Format a duration in seconds with its two largest units: ``2 d 3 h``, ``5 min 07 s``."""
    whole = max(0, int(value))
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {secs:02} s" if minutes else f"{secs} s"


def clock(time: float) -> str:
    """Format Unix seconds as a time of day in UTC: ``14:05:00``."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def change(now: float | None, before: float | None) -> tuple[str, int]:
    """Format the change of a number since an earlier value.

    Args:
        now: the present value; None if unknown.
        before: the earlier value; None if unknown.

    Returns:
        The amount of the change without its sign, such as ``12 %``, ``× 15`` or ``no change``; and
        the sign: 1, -1, or 0 if the change is unknown or below half a percent.
    """
    if now is None or before is None:
        return "", 0
    if before == 0:
        return ("from 0", 1) if now > 0 else ("no change", 0)
    ratio = now / before
    percent = (ratio - 1) * 100
    if abs(percent) < 0.5:
        return "no change", 0
    if ratio >= 10:
        return f"× {ratio:,.0f}", 1
    return f"{abs(percent):.0f} %", 1 if percent > 0 else -1
