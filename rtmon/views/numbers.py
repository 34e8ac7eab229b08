"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["UNKNOWN", "bytes_text", "change", "clock", "duration", "exact", "scaled", "seconds"]

UNKNOWN = "–"
"""Stands for what is not known: null is never shown as 0."""

_PREFIXES = ("", "k", "M", "G", "T", "P")


def scaled(value: float | None, unit: str) -> tuple[str, str]:
    """Three significant digits, and the unit with its decimal prefix.

    Args:
        value: a number in base units, None where it is not known.
        unit: the unit without prefix, such as ``B/s``.

    Returns:
        Number and unit, such as ``("1.86", "kB/s")``.
    """
    if value is None:
        return UNKNOWN, unit
    step = 0
    while abs(value) >= 999.5 and step < len(_PREFIXES) - 1:
        value /= 1000
        step += 1
    return _three(value), _PREFIXES[step] + unit


def _three(value: float) -> str:
    size = abs(value)
    if value == 0 or size >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def seconds(value: float | None) -> tuple[str, str]:
    """A short duration such as a round-trip time, in ms below one second."""
    if value is None:
        return UNKNOWN, "ms"
    return (_three(value), "s") if value >= 0.9995 else (_three(value * 1e3), "ms")


def exact(value: int | None) -> str:
    """A whole number, every digit of it, with thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def bytes_text(value: int | None) -> str:
    """An exact number of bytes."""
    return UNKNOWN if value is None else f"{value:,} B"


def duration(value: float) -> str:
    """How long something lasted, in its two largest units."""
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
    """Unix seconds as the time of day, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def change(now: float | None, before: float | None) -> tuple[str, int]:
    """How a number differs from what it was.

    Returns:
        The change in words, and its sign: 1, -1, or 0 if it is not known or below half a
        percent.
    """
    if now is None or before is None:
        return "", 0
    if before == 0:
        return ("was 0", 1) if now > 0 else ("no change", 0)
    ratio = now / before
    percent = (ratio - 1) * 100
    if abs(percent) < 0.5:
        return "no change", 0
    if ratio >= 10:
        return f"× {ratio:,.0f}", 1
    return f"{abs(percent):.0f} %", 1 if percent > 0 else -1
