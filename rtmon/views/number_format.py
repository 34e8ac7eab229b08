"""Format numbers and times for people to read."""

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
"""Stands for an unknown value: null is never shown as 0."""

_ROUNDS_TO_1000 = 999.5
"""From here on, rounding to three significant digits gives ``1000``."""


def scaled(value: float | None, unit: str) -> tuple[str, str]:
    """Split a value into three significant digits and its unit with a decimal prefix.

    Args:
        value: a number in base units; None if unknown.
        unit: the unit without prefix, such as ``B/s``.

    Returns:
        Number and unit, such as ``("1.86", "kB/s")``.
    """
    if value is None:
        return UNKNOWN, unit
    size, prefix = scale(value, limit=_ROUNDS_TO_1000)
    return three(size), prefix + unit


def short(value: float) -> str:
    """Format a number of an axis, without trailing zeros: ``1.25k``."""
    size, prefix = scale(value, limit=_ROUNDS_TO_1000)
    return f"{size:.3g}{prefix}"


def three(value: float) -> str:
    """Format a value in three significant digits."""
    size = abs(value)
    if value == 0 or size >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def seconds(value: float | None) -> tuple[str, str]:
    """Split a short duration such as a round-trip time into number and unit, ms below 1 s."""
    if value is None:
        return UNKNOWN, "ms"
    return (three(value), "s") if value >= 0.9995 else (three(value * 1e3), "ms")


def delay(value: float | None) -> str:
    """Format a short duration such as a round-trip time, with its unit."""
    return UNKNOWN if value is None else "{} {}".format(*seconds(value))


def exact(value: int | None) -> str:
    """Format a whole number with all its digits and thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def bytes_text(value: int | None) -> str:
    """Format an exact number of bytes."""
    return UNKNOWN if value is None else f"{value:,} B"


def duration(value: float) -> str:
    """Format a duration in its two largest units."""
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
    """Format Unix seconds as the time of day, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def change(now: float | None, before: float | None) -> tuple[str, int]:
    """Compare a number with an earlier one.

    Returns:
        The change in words, and its sign: 1, -1, or 0 if it is unknown or below half a percent.
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
