"""Helpers for tests of programs that use rtmon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .lab.faults import FaultProxy

__all__ = ["FakeClock", "FaultProxy", "recorded", "until"]

if TYPE_CHECKING:
    from .recording.pytest_fixture import recorded


def __getattr__(name: str) -> Any:
    if name == "recorded":  # only this needs pytest
        from .recording.pytest_fixture import recorded

        return recorded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class FakeClock:
    """A clock that moves only when the test advances it; see :class:`rtmon.core.clock.Clock`.

    Args:
        time: Unix seconds to begin with.
    """

    monotonic: Callable[[], float]
    time: Callable[[], float]

    def __init__(self, time: float = 1_700_000_000.0) -> None:
        self._monotonic = 1000.0
        self._time = time
        self.monotonic = lambda: self._monotonic
        self.time = lambda: self._time

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self._monotonic += seconds
        self._time += seconds

    def set_wall_clock(self, time: float) -> None:
        """Set the wall clock, as an operator or NTP does."""
        self._time = time


async def until(condition: Callable[[], Any], *, timeout: float = 60.0) -> None:
    """Wait until a condition holds.

    Args:
        condition: checked every few milliseconds.
        timeout: seconds to wait at most.

    Raises:
        TimeoutError: the condition did not hold in time.
    """
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - the condition is of any kind
            await asyncio.sleep(0.002)
