"""A recording that is hard to export: two server runs, hostile texts, null values."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rtmon import Hub, Monitor, Recording
from rtmon.metrics.meter import Ending
from rtmon.metrics.safe_text import safe_text
from rtmon.testing import FakeClock, until

HOSTILE = (
    "=HYPERLINK(1)",
    'a,"b"\r\nc',
    "<img src=x onerror=alert(1)>",
    "\u2028\x00\ud83d",
    "'",
    "",
    "../../etc",
)

BEGIN = 1_700_000_000.0

TICKS = 70
"""Ticks of each of the two server runs in the recording."""


def busy_monitor(clock: FakeClock) -> Monitor:
    """Return a Monitor with hostile connections and a hub, before its first tick."""
    monitor, hub = Monitor(interval=3600, node="n", clock=clock), Hub()
    monitor.measure(hub)
    hub._parts.broadcast.stats["room:=1+1"].published = 3
    for number, text in enumerate(HOSTILE):
        meter = monitor.collector.meter()
        meter.name, meter.path = safe_text(text), f"/{safe_text(text)}"
        monitor.connection_opened(meter)
        meter.received(number)
        if number % 2:
            ending = Ending(close_code=1006, reason_sent=safe_text(text), initiator="local")
            monitor.connection_closed(meter, ending)
        else:
            monitor.collector.rtt(meter, 0.01 * (number + 1))
        monitor.event("note", text)
    return monitor


async def run(monitor: Monitor, clock: FakeClock, ticks: int = TICKS) -> None:
    """Tick once per second, and wait after each tick until the sinks have caught up."""
    for _ in range(ticks):
        clock.advance(1.0)
        monitor.tick()
        await until(lambda: monitor.waiting_ticks < 30)


async def _record(path: Path) -> None:
    clock = FakeClock(time=BEGIN)
    for _ in range(2):
        with busy_monitor(clock) as monitor, monitor.attach(Recording(path, clock=clock)):
            await run(monitor, clock)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that tests read but do not change."""
    path = tmp_path_factory.mktemp("recording") / "run.rtmon"
    asyncio.run(_record(path))
    return path
