"""The course: checks of notebook exercises against live numbers, learners' progress, and marks.

Notebooks use :func:`check`, :func:`since`, the conditions, :func:`every` and :func:`patience`.
The commands ``rtmon course wall`` and ``rtmon course grade`` show the results of a class.
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
