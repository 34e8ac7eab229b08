"""How long the course waits for a slow machine."""

from __future__ import annotations

import os

from ..errors import OptionError

__all__ = ["patience"]

_PATIENCE = "RTMON_COURSE_PATIENCE"
"""Environment variable: seconds for which checks and judges wait at least."""


def patience(least: float) -> float:
    """Return for how many seconds to wait: ``least``, or as the environment says if that is more.

    Raises:
        OptionError: RTMON_COURSE_PATIENCE is not a number.
    """
    text = os.environ.get(_PATIENCE, "0")
    try:
        return max(least, float(text))
    except ValueError:
        raise OptionError(f"{_PATIENCE}={text!r} is not a number of seconds") from None
