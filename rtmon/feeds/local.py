"""The feed of a Monitor in this very process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..metrics.redaction import KEEP_ALL, Redaction
from . import memory
from .details import with_details
from .feed import Answer, ConnectionPage, ConnectionQuery, Feed, FeedStatus, select
from .queries import Capabilities, DetailAnswer, Query

if TYPE_CHECKING:
    from ..metrics.interfaces import TickSource
    from ..metrics.records import ChannelInfo, Event, Sample, Snapshot, SocketIOInfo

__all__ = ["LocalFeed"]


class LocalFeed(Feed):
    """Reads a Monitor. What it answers is as of the last tick, on any thread.

    Args:
        monitor: what to read.
        redaction: what is left out of request headers; by default the values that hold secrets.
    """

    def __init__(self, monitor: TickSource, *, redaction: Redaction = KEEP_ALL) -> None:
        self._monitor = monitor
        self._redaction = redaction
        self._collector = monitor.collector
        self._started = False
        self._closed_at: float | None = None

    async def start(self) -> None:
        self._started = True
        self._monitor.arm("display")

    async def aclose(self) -> None:
        if self._closed_at is None:
            self._closed_at = self.now()

    @property
    def status(self) -> FeedStatus:
        latest = self.latest()
        source, node = "this process", self._monitor.node
        if self._closed_at is not None:
            return FeedStatus(state="closed", source=source, since=self._closed_at, node=node)
        if latest is None:
            return FeedStatus(state="connecting", source=source, node=node)
        late = self.now() - latest.time
        if self._monitor.closed:
            return FeedStatus(
                state="closed",
                source=source,
                since=latest.time,
                node=node,
                detail="the Monitor is closed",
            )
        if late > 3 * self._monitor.interval + 1:
            detail = f"no tick for {late:.0f} s: the event loop has ended or is blocked"
            return FeedStatus(
                state="disconnected", source=source, since=latest.time, node=node, detail=detail
            )
        return FeedStatus(state="live", source=source, since=latest.time, node=node)

    def now(self) -> float:
        return self._monitor.clock.time()

    def latest(self) -> Sample | None:
        return self._collector.history.latest()

    def snapshot(self) -> Snapshot | None:
        return self._collector.published()

    def samples(self, since: int = 0) -> list[Sample]:
        return self._collector.history.samples(since)

    def events(self, since: int = 0) -> list[Event]:
        return self._collector.history.events(since)

    def channels(self) -> list[ChannelInfo]:
        return self._collector.channels()

    def socketio(self) -> list[SocketIOInfo]:
        return self._collector.socketio()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=True, details=True, since=self._memory().since)

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        return self._monitor.listen(lambda tick: listener(tick.sample))

    async def answer(self, query: Query) -> Answer:
        # On a thread, as this may be the event loop that is measured.
        return await asyncio.to_thread(self.answer_now, query)

    def answer_now(self, query: Query) -> Answer:
        """Answer a query on the calling thread.

        Raises:
            QueryError: the query is wrong.
        """
        answer = memory.answer(query, self._memory())
        if isinstance(answer, DetailAnswer):
            return with_details(answer, self._collector, self._monitor.clock, self._redaction)
        return answer

    def _memory(self) -> memory.Memory:
        collector = self._collector
        snapshot = collector.published()
        epoch = memory.Epoch(
            node=collector.node,
            epoch=collector.epoch,
            history=collector.history,
            connections=collector.connections(),
        )
        return memory.Memory(
            epochs=[epoch],
            tables={
                "channels": collector.channels(),
                "socketio": collector.socketio(),
                "latencies": collector.latencies(),
                "addresses": collector.addresses(),
            },
            closed=snapshot.closed if snapshot else 0,
        )

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._collector.connections(), query)
