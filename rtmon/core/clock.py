"""Clocks: the interface of a time source that is passed to other parts, and the system clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Interface of a source of time. Both members are plain callables, to keep hot paths fast."""

    monotonic: Callable[[], float]
    """Returns seconds that never go back. Used for durations and rates."""

    time: Callable[[], float]
    """Returns Unix seconds of the wall clock, which may jump. Used for timestamps."""


class SystemClock:
    """The clock of the operating system."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    time: Callable[[], float] = staticmethod(time.time)


SYSTEM_CLOCK = SystemClock()
