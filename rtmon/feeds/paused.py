"""A feed that stands still: what a paused view reads."""

from __future__ import annotations

from ..metrics.records import ChannelInfo, Event, Sample, Snapshot, SocketIOInfo
from .feed import ConnectionPage, ConnectionQuery, Feed, FeedStatus, select

__all__ = ["Still"]


class Still(Feed):
    """Everything another feed knows at this moment. Only the status goes on being the other's.

    Args:
        feed: what to take the picture of; it goes on by itself.
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

    async def start(self) -> None:
        """Nothing to do."""

    async def aclose(self) -> None:
        """Nothing to do; the other feed is not closed."""

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

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._connections, query)
