"""The class PausedFeed: a fixed copy of a feed's data, for a view that the viewer has paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ..metrics.history import History
from ..metrics.records import ChannelInfo, Event, Sample, Snapshot, SocketIOInfo
from . import memory_queries
from .feed import Answer, ConnectionPage, ConnectionQuery, Feed, FeedStatus, select
from .queries import Capabilities, DetailQuery, MembersQuery, Query, RowsQuery, SeriesQuery
from .request_messages import ASKED

__all__ = ["PausedFeed"]


class PausedFeed(Feed):
    """A copy of another feed's data, as of the moment when the copy was made.

    Only :attr:`status` is the current status of the other feed.

    Args:
        feed: the feed to copy, which keeps running.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._now = feed.now()
        self._snapshot = feed.snapshot()
        self._samples = feed.samples()
        self._events = feed.events()
        self._channels = feed.channels()
        self._socketio = feed.socketio()
        everything = ConnectionQuery(state=None, limit=None)
        self._connections = list(feed.connections(everything).rows)
        history = History()
        for sample in self._samples:
            history.add(sample)
        history.extend_events(self._events)
        epoch = self._snapshot.epoch if self._snapshot else ""
        self._memory = memory_queries.FeedMemory(
            epochs=[
                memory_queries.Epoch(
                    node=feed.status.node,
                    epoch=epoch,
                    history=history,
                    connections=self._connections,
                )
            ],
            tables={"channels": self._channels, "socketio": self._socketio},
            closed=self._snapshot.closed if self._snapshot else 0,
        )

    async def start(self) -> None:
        """Do nothing: a paused feed receives no data."""

    async def aclose(self) -> None:
        """Do nothing: the copied feed stays open."""

    @property
    def status(self) -> FeedStatus:
        return self._feed.status

    def now(self) -> float:
        return self._now

    def latest(self) -> Sample | None:
        return self._samples[-1] if self._samples else None

    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def samples(self, since: int = 0) -> list[Sample]:
        return [sample for sample in self._samples if sample.seq > since]

    def events(self, since: int = 0) -> list[Event]:
        return [event for event in self._events if event.seq > since]

    def channels(self) -> list[ChannelInfo]:
        return self._channels

    def socketio(self) -> list[SocketIOInfo]:
        return self._socketio

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._feed.capabilities, live=False)

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:  # noqa: ARG002
        """Ignore the listener: a paused feed never has a new Sample."""
        return lambda: None

    async def answer(self, query: Query) -> Answer:
        """Answer a query as of the moment of the pause.

        Data that only the server holds is current: details of a connection, members of a channel,
        and the tables ``latencies`` and ``addresses``.
        """
        if isinstance(query, SeriesQuery):
            until = self._now if query.until is None else min(query.until, self._now)
            return await self._feed.query(replace(query, until=until))
        if isinstance(query, DetailQuery | MembersQuery) or (
            isinstance(query, RowsQuery) and query.table in ASKED
        ):
            return await self._feed.answer(query)
        return await asyncio.to_thread(memory_queries.answer, query, self._memory)

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._connections, query)
