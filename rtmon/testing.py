"""Helpers for tests of programs that use rtmon: a fake clock, waiting, a fault proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .lab.faults import FaultProxy

__all__ = ["FakeClock", "FaultProxy", "recorded", "until"]

if TYPE_CHECKING:
    from .recording.pytest_fixture import recorded


def __getattr__(name: str) -> Any:
    if name == "recorded":  # imported late, because only this fixture needs pytest
        from .recording.pytest_fixture import recorded

        return recorded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class FakeClock:
    """A clock that moves only when the test advances it; see :class:`rtmon.core.clock.Clock`.

    Args:
        time: the wall-clock time to start with, in Unix seconds.
    """

    monotonic: Callable[[], float]
    time: Callable[[], float]

    def __init__(self, time: float = 1_700_000_000.0) -> None:
        self._monotonic = 1000.0
        self._time = time
        self.monotonic = lambda: self._monotonic
        self.time = lambda: self._time

    def advance(self, seconds: float) -> None:
        """Advance the monotonic clock and the wall clock by some seconds."""
        self._monotonic += seconds
        self._time += seconds

    def set_wall_clock(self, time: float) -> None:
        """Set the wall clock to Unix seconds, as an operator or NTP does; it may go back."""
        self._time = time


async def until(condition: Callable[[], Any], *, timeout: float = 60.0) -> None:
    """Wait until a condition is true.

    Args:
        condition: function that is called every few milliseconds, until it returns a true value.
        timeout: maximum number of seconds to wait.

    Raises:
        TimeoutError: the condition was not true in time.
    """
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - any condition, so there is no event
            await asyncio.sleep(0.002)
