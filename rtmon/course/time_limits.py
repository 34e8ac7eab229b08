"""Time limits of the course, extended for slow machines."""

from __future__ import annotations

import os

from ..errors import OptionError

__all__ = ["patience"]

_PATIENCE = "RTMON_COURSE_PATIENCE"
"""Environment variable: seconds for which checks and judges wait at least."""


def patience(least: float) -> float:
    """Return the seconds to wait: ``least``, or RTMON_COURSE_PATIENCE if that is more.

    Raises:
        OptionError: RTMON_COURSE_PATIENCE is not a number.
    """
    text = os.environ.get(_PATIENCE, "0")
    try:
        return max(least, float(text))
    except ValueError:
        raise OptionError(f"{_PATIENCE}={text!r} is not a number of seconds") from None
