"""Compare two subscribers of a channel: one receives single messages, the other batches."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ...views.chart_definition import Chart
from ...views.palette import BLUE, ORANGE, VIOLET
from ..simulated_connection import SimulatedConnection
from .adjustable_knob import Knob
from .base import Row, Scenario, chart, series
from .client_group import ClientGroup, TimedPublisher, stamp, stamps
from .rates import Rates

__all__ = ["BatchingComparison"]

_EACH = 100.0
"""Maximum messages per second of one publisher, below a hub's rate limit per connection."""

_PUBLISHERS = 10


def _pair(key: str, title: str) -> Chart[Row]:
    return chart(
        title,
        series(f"single_{key}", "one by one", BLUE),
        series(f"batched_{key}", "batched", ORANGE),
    )


class BatchingComparison(Scenario):
    """Two readers of a channel: one gets single messages (``single_…``), one gets batches.

    The hub sends a batch when the batch is full, or ``delay`` milliseconds after its first
    message. Names of the second reader's numbers begin with ``batched_``. Numbers of each reader:
    ``…_frames`` (frames received per second), ``…_messages`` (messages received per second,
    counting each message of a batch), ``…_payload`` and ``…_wire`` (bytes per second without and
    with frame headers), ``…_delay`` (median delay from a message's due time, in milliseconds).
    ``cpu`` is the CPU use of this process in percent of a core.

    Args:
        compression: True if the readers negotiate permessage-deflate; this lowers ``…_wire``.
        channel: name of the channel on which the messages are published.
    """

    title = "Batching"
    charts: ClassVar[tuple[Chart[Row], ...]] = (
        _pair("frames", "Frames a second"),
        _pair("messages", "Messages a second"),
        _pair("payload", "Payload, bytes a second"),
        _pair("wire", "On the wire, bytes a second"),
        _pair("delay", "Median delay, ms"),
        chart("CPU of this process, %", series("cpu", "CPU", VIOLET)),
    )
    rate = Knob(100, 1, 1000, "messages a second", whole=True)
    size = Knob(10, 1, 100, "messages in a batch at most", whole=True)
    delay = Knob(100, 1, 2000, "ms that a message waits for others at most", whole=True)
    payload = Knob(50, 10, 2000, "bytes in a message", step=10, whole=True)

    def __init__(
        self, server: Any, *, compression: bool = False, channel: str = "stream", **options: Any
    ) -> None:
        self.compression, self.channel = compression, channel
        self._rates = Rates()
        self._readers = {
            name: ClientGroup(self._joining(name), lambda: 1) for name in ("single", "batched")
        }
        self._before: dict[tuple[str, str], float] = {}
        self._cpu = 0.0
        self._number = 0
        super().__init__(server, **options)
        self._publishers = [
            TimedPublisher(self.url, f"publisher-{n + 1}") for n in range(_PUBLISHERS)
        ]

    def moved(self, knob: str) -> None:
        if knob in {"size", "delay"}:
            self._readers["batched"].changed.set()

    async def _begin(self) -> None:
        self._cpu = time.process_time()
        for publisher in self._publishers:
            await publisher.open()
        for name, crowd in self._readers.items():
            await crowd.fill()
            self._spawn(crowd.keep(self._ask if name == "batched" else None))
        self._spawn(self._pace(lambda: self.rate, self._publish))

    async def _end(self) -> None:
        for crowd in self._readers.values():
            await crowd.leave()
        for publisher in self._publishers:
            await publisher.close()

    def _joining(self, name: str) -> Any:
        async def join(_: int) -> SimulatedConnection:
            def hear(data: bytes) -> None:
                self._rates.arrived(
                    stamps(data), self.now(), count=f"{name}_messages", delay=f"{name}_delay"
                )

            reader = await SimulatedConnection.open(
                self.url, name, hear=hear, compression=self.compression
            )
            if name == "batched":
                await self._ask(reader)
            await reader.send("subscribe", channel=self.channel)
            return reader

        return join

    async def _ask(self, reader: SimulatedConnection) -> None:
        """Request batches from the hub, with the size and delay that the knobs are set to."""
        await reader.send("connect", batch={"size": self.size, "delay": self.delay / 1e3})

    async def _publish(self, due: float) -> None:
        self._number += 1
        # Use as few publishers as the rate needs, since each connection costs CPU time.
        used = min(len(self._publishers), 1 + int(self.rate // _EACH))
        data = stamp(due).ljust(self.payload, ".")
        await self._publishers[self._number % used].publish(self.channel, data)

    def _measure(self, elapsed: float) -> dict[str, float]:
        rate, quantile = self._rates.take(elapsed)
        cpu, self._cpu = self._cpu, time.process_time()
        row = {"cpu": 100 * (self._cpu - cpu) / elapsed}
        for name, crowd in self._readers.items():
            reader = crowd.members[0] if crowd.members else None
            for key, counter in (
                ("frames", "messages_in"),
                ("payload", "bytes_in"),
                ("wire", "wire_in"),
            ):
                now = float(getattr(reader, counter, 0))
                before = self._before.get((name, key), 0.0)
                self._before[name, key] = now
                # After a client has reconnected, its counters start again at 0.
                row[f"{name}_{key}"] = max(0.0, now - before) / elapsed
            row[f"{name}_messages"] = rate(f"{name}_messages")
            row[f"{name}_delay"] = quantile(f"{name}_delay", 0.5)
        return row
