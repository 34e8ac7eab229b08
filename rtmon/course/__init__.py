"""The course: exercises that check themselves against live numbers, progress, and marks.

A notebook uses :func:`check`, :func:`since`, the conditions, :func:`every`, :func:`patience`.
The commands ``rtmon course wall`` and ``rtmon course grade`` show what the checks of a class have
found.
"""

from __future__ import annotations

from .check_conditions import Condition, at_least, at_most, between, satisfying, since
from .exercise_checks import check
from .repeated_action import every
from .time_limits import patience

__all__ = [
    "Condition",
    "at_least",
    "at_most",
    "between",
    "check",
    "every",
    "patience",
    "satisfying",
    "since",
]
