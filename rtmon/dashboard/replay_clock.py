"""The replay position of a recording: seek to a time, play at a speed, and pause."""

from __future__ import annotations

import asyncio

from ..recording.recording_feed import RecordingFeed
from ..recording.timeline_marks import TimelineMark, notable
from ..views.tick_update import ReplayState

__all__ = ["SPEEDS", "ReplayClock"]

SPEEDS = (1.0, 5.0, 20.0, 60.0)
"""Playback speeds that a viewer can choose, in seconds of the recording per second."""


class ReplayClock:
    """The replay position of one viewer of a recording.

    Args:
        feed: the recording's feed, which is set to the replay position.

    Attributes:
        stands: True if the last call of :meth:`step` did not change the data that the viewer sees.
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
        """The replay position, the playback speed, and the recording's begin and end."""
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
        """Set the replay position, and pause the playback.

        If several calls wait for a running call, only the last of them is executed.

        Args:
            at: the new position in Unix seconds, limited to the recording's begin and end. With
                None, the position stays at the end of the recording, also while the recording
                grows.
            turn: number of the viewer's seek request.

        Returns:
            True if this call was executed, False if a later call has replaced it.
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
        """Start or pause the playback.

        If the replay position is the recording's end, the playback starts from the recording's
        begin.

        Args:
            speed: one of :data:`SPEEDS`; any other value pauses the playback.
        """
        self._speed = speed if speed in SPEEDS else 0.0
        if self._speed and self._at is None:
            self._at = self._span[0]

    async def step(self, seconds: float) -> None:
        """Update the recording's begin and end; if it is being played, advance the position.

        Args:
            seconds: seconds since the last call; 0 if no viewer could see the page.
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
        """Return the marks of the whole recording for the time bar, such as errors and restarts."""
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
