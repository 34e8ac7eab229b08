"""The latest round trips of one connection, in two bytes each. Pure.

Each is kept as its bucket of :mod:`.histogram`, so a quantile is as exact as those of all
connections together, and a hundred of them take less memory than a dictionary of three.
"""

from __future__ import annotations

import sys

from .histogram import MICROSECOND, bucket, bucket_middle, rank

__all__ = ["KEPT", "added", "quantile"]

KEPT = 100
"""Round trips that are kept; the oldest are forgotten first."""

_BYTES = 2
_LAST = (1 << 8 * _BYTES) - 1


def added(kept: bytes, seconds: float) -> bytes:
    """Return the kept round trips after adding one."""
    index = min(bucket(round(seconds / MICROSECOND)), _LAST)
    return (kept + index.to_bytes(_BYTES, sys.byteorder))[-KEPT * _BYTES :]


def quantile(kept: bytes, q: float) -> float | None:
    """Return the seconds that a share ``q`` (0 to 1) does not exceed; None if none is kept."""
    ordered = sorted(memoryview(kept).cast("H"))
    return bucket_middle(ordered[rank(q, len(ordered)) - 1]) * MICROSECOND if ordered else None
