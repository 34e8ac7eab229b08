"""Moves the time of a recording as its viewer wants: to a moment, and on from there."""

from __future__ import annotations

import asyncio

from ..recording.recording_feed import RecordingFeed
from ..recording.timeline_marks import TimelineMark, notable
from ..views.tick_update import ReplayState

__all__ = ["SPEEDS", "ReplayClock"]

SPEEDS = (1.0, 5.0, 20.0, 60.0)
"""Seconds of a recording that can pass in one."""


class ReplayClock:
    """The time that one viewer of a recording sees.

    Args:
        feed: the recording, as of that time.

    Attributes:
        stands: True if nothing new is to be seen since the last step: the same moment is shown.
    """

    def __init__(self, feed: RecordingFeed) -> None:
        self._feed = feed
        self._span = feed.span or (0.0, 0.0)
        self._at: float | None = None
        self._speed = 0.0
        self._asked = self._turn = 0
        self._moving = asyncio.Lock()
        self.stands = False

    @property
    def state(self) -> ReplayState:
        """Where the viewer is."""
        begin, end = self._span
        return ReplayState(
            begin=begin,
            end=end,
            at=self._at,
            speed=self._speed,
            turn=self._turn,
            limits=self._feed.capabilities.limits,
        )

    async def seek(self, at: float | None, turn: int) -> bool:
        """Go to a moment; time stands there until it is played.

        Args:
            at: Unix seconds, moved into the recording; None for its end, as it grows.
            turn: number of the viewer's request. Of those that wait only the last is met.

        Returns:
            True if the request was met.
        """
        self._asked = turn
        async with self._moving:
            if turn != self._asked:
                return False
            await self._look()
            self._speed = 0.0
            await self._go(at)
            self._turn = turn
        return True

    def play(self, speed: float) -> None:
        """Let time pass.

        Args:
            speed: seconds of the recording that pass in one, one of :data:`SPEEDS`; anything
                else halts it. From the end it is played from the beginning.
        """
        self._speed = speed if speed in SPEEDS else 0.0
        if self._speed and self._at is None:
            self._at = self._span[0]

    async def step(self, seconds: float) -> None:
        """Let time pass if it does, and see how far the recording reaches by now.

        Args:
            seconds: how long the viewer has waited since the last step.
        """
        async with self._moving:
            before = self._span
            await self._look()
            self.stands = before == self._span if self._at is None else self._speed == 0
            if self._at is not None and self._speed > 0:
                at = self._at + self._speed * seconds
                ended = at >= self._span[1]
                await self._go(None if ended else at)
                self._speed = 0.0 if ended else self._speed

    async def moments(self) -> list[TimelineMark]:
        """Return what is worth a mark on the whole recording."""
        return await asyncio.to_thread(notable, self._feed.reader)

    async def _look(self) -> None:
        span = await asyncio.to_thread(self._feed.reader.span)
        self._span = span or self._span

    async def _go(self, at: float | None) -> None:
        if at is not None:
            begin, end = self._span
            at = None if at >= end else round(max(at, begin), 3)
        self._at = at
        await self._feed.seek(at)
