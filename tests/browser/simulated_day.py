"""Feed of a simulated server whose clock runs faster than real time; used by the soak test.

The environment variable ``RTMON_USERS`` sets the number of users, each of which sends one message
per simulated second. ``RTMON_SPEED`` sets the simulated seconds per real second.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass

from rtmon import Monitor
from rtmon.dashboard import page_updater
from rtmon.feeds.local_feed import LocalFeed
from rtmon.metrics.meter import Meter
from rtmon.metrics.records import Ending

SPEED = float(os.environ["RTMON_SPEED"])
USERS = int(os.environ["RTMON_USERS"])

# Send every tick to the page, although ticks follow each other faster than usual.
page_updater.SHORTEST = 0.8 / SPEED
page_updater.PERIOD = 1.0 / SPEED


@dataclass
class Clock:
    """A clock that only :class:`Day` advances."""

    now: float = 1.7e9

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Day(LocalFeed):
    """Feed of a simulated server. Users connect, send and disconnect on the simulated clock."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._of = Monitor(clock=self._clock, node="day")
        super().__init__(self._of)
        self._passing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start advancing the simulated clock."""
        self._passing = asyncio.create_task(self._pass())

    async def _pass(self) -> None:
        rng = random.Random(1)
        meters = [self._open(number) for number in range(USERS)]
        loop, seconds = asyncio.get_running_loop(), 0
        began = loop.time()
        while True:
            self._clock.now += 1
            seconds += 1
            for meter in meters:
                meter.received(rng.randrange(1000))
                meter.sent(100)
                self._of.collector.rtt(meter, rng.random() / 10)
            if seconds % 10 == 0:
                gone = meters.pop(0)
                self._of.connection_closed(
                    gone, Ending(code_received=rng.choice((1000, 1001, 1011)))
                )
                meters.append(self._open(seconds))
            self._of.tick()
            await asyncio.sleep(max(0.0, began + seconds / SPEED - loop.time()))

    def _open(self, number: int) -> Meter:
        meter = self._of.collector.meter()
        meter.name, meter.path, meter.transport = f"user-{number}", "/chat", "websocket"
        self._of.connection_opened(meter)
        return meter
