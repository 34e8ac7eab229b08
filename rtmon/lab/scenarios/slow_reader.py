"""The scenario of a slow consumer: one slow subscriber among subscribers that keep up."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any, ClassVar

from ...views.chart_definition import Chart
from ...views.palette import BLUE, GREEN, MAGENTA, ORANGE, VIOLET
from ..simulated_connection import SimulatedConnection
from .adjustable_knob import Knob
from .base import Row, Scenario, chart, series
from .client_group import ClientGroup, TimedPublisher, stamp, stamps
from .rates import Rates

__all__ = ["SlowReader"]

_KNOCKS = 1.0
"""Seconds between two checks whether a paused slow reader is still connected."""

_BUFFER = 16_384
"""Size of the slow reader's receive buffer in the kernel, in bytes."""


class SlowReader(Scenario):
    """A channel with fast subscribers, and a slow one that reads ``speed`` messages per second.

    Numbers: ``delay_p50``, ``delay_p99`` (milliseconds from a message's due time until the other
    subscribers have received it), ``each`` and ``slow`` (messages per second of one other
    subscriber and of the slow one), ``behind`` (messages that the slow subscriber has not received,
    of those published since its connection began), ``connected`` (1 if the slow subscriber is
    connected, else 0). A slow subscriber that is disconnected while its speed is 0 reconnects only
    when its speed is raised. Only the server knows the length of its send queue: pass a function
    that returns this number in ``also=``.

    Args:
        channel: name of the channel.

    Attributes:
        endings: close code → number of the slow subscriber's connections that ended with this code.
    """

    title = "A slow reader"
    charts: ClassVar[tuple[Chart[Row], ...]] = (
        chart(
            "Delay of the others, ms",
            series("delay_p50", "p50", GREEN),
            series("delay_p99", "p99", MAGENTA),
        ),
        chart(
            "Received a second",
            series("each", "others, each", BLUE),
            series("slow", "slow one", ORANGE),
        ),
        chart("Messages it is behind", series("behind", "behind", VIOLET)),
        chart("Slow one connected", series("connected", "connected", VIOLET)),
    )
    readers = Knob(10, 1, 100, "readers who keep up", whole=True)
    rate = Knob(20, 0, 150, "messages a second", whole=True)
    size = Knob(5_000, 20, 60_000, "bytes in a message", step=20, whole=True)
    speed = Knob(0, 0, 200, "messages a second that the slow one reads", whole=True)

    def __init__(self, server: Any, *, channel: str = "feed", **options: Any) -> None:
        self.channel = channel
        self.endings: Counter[int] = Counter()
        self._rates = Rates()
        self._published = self._behind_from = 0
        self._others = ClientGroup(self._join, lambda: self.readers)
        self._slow = ClientGroup(self._join_slow, lambda: 1)
        super().__init__(server, **options)
        self._publisher = TimedPublisher(self.url, "publisher")

    def moved(self, knob: str) -> None:
        if knob == "readers":
            self._others.changed.set()
        elif knob == "speed":
            for member in self._slow.members:
                member.pace = self._pause

    @property
    def _pause(self) -> float:
        return 1 / self.speed if self.speed else math.inf

    async def _begin(self) -> None:
        await self._publisher.open()
        await self._others.fill()
        await self._slow.fill()
        self._spawn(self._others.keep())
        self._spawn(self._slow.keep())
        self._spawn(self._knock())
        self._spawn(self._pace(lambda: self.rate, self._publish))

    async def _end(self) -> None:
        await self._publisher.close()
        await self._others.leave()
        for member in self._slow.members:
            await member.leave("abort")  # a reader that does not read cannot receive a close frame
        self._slow.members.clear()

    async def _join(self, number: int) -> SimulatedConnection:
        name = f"reader-{number + 1}"
        reader = await SimulatedConnection.open(self.url, name, hear=self._hear, compression=False)
        await reader.send("subscribe", channel=self.channel)
        return reader

    async def _join_slow(self, _: int) -> SimulatedConnection:
        reader = await SimulatedConnection.open(
            self.url,
            "slow",
            hear=self._hear_slow,
            compression=False,
            buffer=_BUFFER,
            keepalive=False,
        )
        reader.on_end(self._ended)
        await reader.send("subscribe", channel=self.channel)
        self._behind_from = self._published
        reader.pace = self._pause
        return reader

    async def _knock(self) -> None:
        while True:
            await asyncio.sleep(_KNOCKS)
            for member in self._slow.members:
                if not self.speed:
                    await member.knock()

    def _ended(self, slow: SimulatedConnection) -> None:
        if self._running:
            self.endings[slow.close_code] += 1

    def _hear(self, data: bytes) -> None:
        self._rates.arrived(stamps(data), self.now(), count="each", delay="delay")

    def _hear_slow(self, data: bytes) -> None:
        heard = sum(1 for _ in stamps(data))
        self._rates.count("slow", heard)
        self._behind_from += heard

    async def _publish(self, due: float) -> None:
        data = stamp(due).ljust(self.size, ".")
        if await self._publisher.publish(self.channel, data):
            self._published += 1

    def _measure(self, elapsed: float) -> dict[str, float]:
        rate, quantile = self._rates.take(elapsed)
        there = [member for member in self._others.members if not member.ended]
        connected = any(not member.cut_off for member in self._slow.members)
        return {
            "delay_p50": quantile("delay", 0.5),
            "delay_p99": quantile("delay", 0.99),
            "each": rate("each") / max(1, len(there)),
            "slow": rate("slow"),
            "behind": max(0, self._published - self._behind_from) if connected else math.nan,
            "connected": float(connected),
        }
