"""Clocks: sources of time that are passed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Interface of a source of time. Both members are plain callables, for the hot paths."""

    monotonic: Callable[[], float]
    """Seconds that never go back: durations and rates."""

    time: Callable[[], float]
    """Unix seconds by the wall clock, which may jump: labels."""


class SystemClock:
    """The clock of this machine."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    time: Callable[[], float] = staticmethod(time.time)


SYSTEM_CLOCK = SystemClock()
