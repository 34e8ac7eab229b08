"""Compute the time limits of checks and judges, which a slow machine can extend."""

from __future__ import annotations

import os

from ..errors import OptionError

__all__ = ["patience"]

_PATIENCE = "RTMON_COURSE_PATIENCE"
"""Environment variable: minimum time limit, in seconds, of every wait of a check or a judge."""


def patience(least: float) -> float:
    """Return a time limit in seconds: the larger of ``least`` and RTMON_COURSE_PATIENCE.

    Raises:
        OptionError: the value of RTMON_COURSE_PATIENCE is not a number.
    """
    text = os.environ.get(_PATIENCE, "0")
    try:
        return max(least, float(text))
    except ValueError:
        raise OptionError(f"{_PATIENCE}={text!r} is not a number of seconds") from None
