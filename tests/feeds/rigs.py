"""A Monitor with a feed that reads it, for each kind of feed: local, remote, recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rtmon import Monitor, open_feed, serve_admin
from rtmon.feeds import Feed
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.metrics.meter import Meter
from rtmon.recording import Recording, RecordingFeed
from rtmon.testing import FakeClock, until


@dataclass
class Rig:
    """A Monitor, a feed that reads it, and a method that ticks and waits until the feed has the
    tick.
    """

    monitor: Monitor
    feed: Feed
    clock: FakeClock

    async def tick(self) -> None:
        seq = self.monitor.tick().sample.seq
        await until(lambda: (latest := self.feed.latest()) is not None and latest.seq >= seq)

    def connection(self, name: str | None = None, **counts: int) -> Meter:
        meter = self.monitor.collector.meter()
        meter.name = name
        meter.path = f"/{name}"
        self.monitor.connection_opened(meter)
        for counter, amount in counts.items():
            setattr(meter, counter, amount)
        return meter


async def ready(rig: Rig) -> None:
    """Start the feed twice, and wait until it has the Monitor's history."""
    await rig.feed.start()
    await rig.feed.start()
    if isinstance(rig.feed, RemoteFeed):
        await rig.feed.complete()
    if (ticked := rig.monitor.collector.history.latest()) is not None:
        await until(lambda: rig.feed.latest() == ticked)


@asynccontextmanager
async def local_rig() -> AsyncIterator[Rig]:
    """Yield a Monitor and the feed that reads it in this process."""
    clock = FakeClock()
    monitor = Monitor(interval=1000, node="n", clock=clock)
    feed = open_feed(monitor)
    assert isinstance(feed, LocalFeed)
    yield Rig(monitor, feed, clock)
    await feed.aclose()
    monitor.close()


@asynccontextmanager
async def remote_rig() -> AsyncIterator[Rig]:
    """Yield a Monitor and the feed that reads it over an admin listener."""
    clock = FakeClock()
    monitor = Monitor(interval=1000, node="n", clock=clock)
    async with serve_admin(monitor, port=0) as admin:
        feed = open_feed(admin.url)
        assert isinstance(feed, RemoteFeed)
        yield Rig(monitor, feed, clock)
        await feed.aclose()
        await until(lambda: admin.watchers == 0)
    monitor.close()


@asynccontextmanager
async def recording_rig() -> AsyncIterator[Rig]:
    """Yield a Monitor and the feed that reads its recording while the recording is written."""
    clock = FakeClock()
    monitor = Monitor(interval=1000, node="n", clock=clock)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.rtmon"
        monitor.attach(Recording(path, clock=clock))
        feed = RecordingFeed(path, clock=clock, follow=0.005)
        yield Rig(monitor, feed, clock)
        await feed.aclose()
        monitor.close()


RIGS = {"local": local_rig, "remote": remote_rig, "recording": recording_rig}
