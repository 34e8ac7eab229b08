"""Exercises for notebooks: check answers against live measurements, record progress, give marks.

A course notebook imports :func:`check`, :func:`since`, :func:`at_least` and the other conditions,
:func:`every` and :func:`patience` from here. The command ``rtmon course wall`` shows the results
of a class on a live page. The command ``rtmon course grade`` prints the marks of each learner.
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
