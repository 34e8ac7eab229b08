"""SI prefixes for numbers shown to users. No I/O."""

from __future__ import annotations

__all__ = ["PREFIXES", "scale"]

PREFIXES = ("", "k", "M", "G", "T", "P")
"""Decimal prefixes. Each stands for a thousand times the one before it."""


def scale(value: float, *, limit: float = 1000.0) -> tuple[float, str]:
    """Divide a number by a power of 1000, so that the result is below ``limit``.

    Args:
        value: a number in base units.
        limit: upper bound of the result. Give a little less than 1000 if the result is rounded
            later, so that it is never shown as ``1000``.

    Returns:
        The scaled number and its prefix, such as ``(1.86, "k")``.
    """
    step = 0
    while abs(value) >= limit and step < len(PREFIXES) - 1:
        value /= 1000
        step += 1
    return value, PREFIXES[step]
