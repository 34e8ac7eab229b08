"""A fake viewer of a page updater, and a recording for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtmon import Monitor, Recording
from rtmon.metrics.records import Ending
from rtmon.testing import FakeClock, until

BEGIN = 1_700_000_000.0
"""Begin of the recordings in Unix seconds."""


@dataclass(eq=False)
class KeptViewer:
    """A fake viewer that stores the messages sent to it.

    Attributes:
        ready: True while the viewer can take messages.
        hidden: True while the viewer's page is not visible.
    """

    ready: bool = True
    hidden: bool = False
    messages: list[Any] = field(default_factory=list)

    def send(self, text: bytes) -> None:
        self.messages.append(json.loads(text))

    def all_of(self, part: str) -> list[Any]:
        """Return this part of each message that has it."""
        return [message[part] for message in self.messages if part in message]


async def record(path: Path, *, ticks: int = 200, begin: float = BEGIN) -> None:
    """Record a server with one connection, and a second connection in the middle third of the time.

    Round trips take 1 ms, but 100 ms in the middle third. The second connection fails at the end of
    that third.
    """
    clock = FakeClock(time=begin)
    monitor = Monitor(interval=3600, node="n", clock=clock)
    monitor.attach(Recording(path, clock=clock))
    ada, bob = monitor.collector.meter(), monitor.collector.meter()
    ada.name, bob.name = "ada", "=bob"
    monitor.connection_opened(ada)
    for tick in range(ticks):
        middle = ticks // 3 <= tick < 2 * ticks // 3
        if tick == ticks // 3:
            monitor.connection_opened(bob)
        if tick == 2 * ticks // 3:
            monitor.handler_failed(bob, ValueError("no such room"))
            monitor.connection_closed(bob, Ending(close_code=1011))
        ada.received(10)
        monitor.collector.rtt(ada, 0.1 if middle else 0.001)
        clock.advance(1.0)
        monitor.tick()
        await until(lambda: monitor.waiting_ticks < 30)
    monitor.close()
