"""A feed that reads a recording, so that views can show a recording like a live server."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.clock import SYSTEM_CLOCK, Clock
from ..errors import FileFormatError
from ..feeds.feed import Answer, ConnectionPage, ConnectionQuery, Feed, FeedStatus, select
from ..feeds.queries import LEVELS, Capabilities, Query
from ..metrics.history import EVENTS, History
from .query_reader import QueryReader

if TYPE_CHECKING:
    from ..metrics.records import (
        ChannelInfo,
        ConnectionInfo,
        Event,
        Sample,
        Snapshot,
        SocketIOInfo,
    )

__all__ = ["RecordingFeed"]

logger = logging.getLogger("rtmon")

WINDOW = 3600.0
"""Seconds before the shown moment for which the feed keeps Samples and Events in memory."""

LIVE_SECONDS = 5.0
"""Seconds since the last tick up to which a recording counts as still being written."""


class RecordingFeed(Feed):
    """A feed of a recording, which shows the server's state at one moment of the recording.

    By default the feed shows the end of the recording, and new ticks while the recording is still
    written. :meth:`seek` selects another moment.

    Args:
        path: the recording.
        clock: source of time.
        follow: seconds between two checks of the file for new ticks.

    Attributes:
        reader: answers queries from the file.

    Raises:
        FileFormatError: the file is not a recording, is damaged, or was written by a newer rtmon.
        OSError: the file does not exist or cannot be read.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK, follow: float = 1.0
    ) -> None:
        self.path = Path(path)
        self.reader = QueryReader(self.path)
        self._clock = clock
        self._follow = follow
        self._at: float | None = None
        self._view = _View()
        self._listeners: dict[object, Callable[[Sample], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._problem = ""
        self._reading = asyncio.Lock()

    @property
    def span(self) -> tuple[float, float] | None:
        """Times of the recording's first and last tick, Unix seconds; None without ticks.

        After the first refresh, the times come from memory, so that the event loop need not wait
        for an SQL query.
        """
        return self._view.span if self._view.read else self.reader.span()

    async def start(self) -> None:
        if self._task is None and not self._closed:
            await self.refresh()
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="rtmon-recording", context=contextvars.Context()
            )

    async def aclose(self) -> None:
        self._closed = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self.reader.close()

    async def seek(self, at: float | None) -> None:
        """Select the moment of the recording that the feed shows.

        Args:
            at: the moment, Unix seconds; None to follow the end of the recording.
        """
        self._at = at
        await self.refresh()

    async def refresh(self) -> None:
        """Read new ticks from the file now, without waiting for the next check."""
        # One read after another, so that the moment that was requested last is shown last.
        async with self._reading:
            before = self._view.history.latest()
            make = await asyncio.to_thread(_read, self.reader, self._at, self._view)
            self._view = make()
            latest = self._view.history.latest()
        if latest is not None and latest != before:
            for listener in list(self._listeners.values()):
                try:
                    listener(latest)
                except Exception:  # an exception of a listener must not stop the feed
                    logger.exception("a listener of a feed failed")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._follow)
            if self._at is not None:
                continue
            try:
                await self.refresh()
                self._problem = ""
            except (OSError, FileFormatError) as exc:
                self._problem = str(exc)

    @property
    def status(self) -> FeedStatus:
        latest, source = self._view.history.latest(), str(self.path)
        node = latest.node if latest else ""
        since = latest.time if latest else 0.0
        if self._closed:
            return FeedStatus(state="closed", source=source, since=since, node=node)
        if self._problem:
            return FeedStatus(
                state="disconnected", source=source, detail=self._problem, since=since, node=node
            )
        if latest is None:
            return FeedStatus(state="connecting", source=source, detail="nothing is recorded yet")
        if self._at is None and self._clock.time() - latest.time < LIVE_SECONDS:
            return FeedStatus(state="live", source=source, since=since, node=node)
        return FeedStatus(state="recorded", source=source, since=since, node=node)

    def now(self) -> float:
        if self._at is not None:
            return self._at
        latest = self._view.history.latest()
        return latest.time if latest else self._clock.time()

    def latest(self) -> Sample | None:
        return self._view.history.latest()

    def snapshot(self) -> Snapshot | None:
        return self._view.snapshot

    def samples(self, since: int = 0) -> list[Sample]:
        return self._view.history.samples(since)

    def events(self, since: int = 0) -> list[Event]:
        return self._view.history.events(since)

    def channels(self) -> list[ChannelInfo]:
        return list(self._view.channels)

    def socketio(self) -> list[SocketIOInfo]:
        return list(self._view.socketio)

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._view.connections, query)

    @property
    def capabilities(self) -> Capabilities:
        span = self.span
        return Capabilities(
            live=self.status.state in {"connecting", "live"},
            tables=("connections", "events", *self.reader.tables.names),
            replay=True,
            since=span[0] if span else None,
            limits=[
                "series, headers and rooms of a connection are not recorded",
                "an open connection's numbers are up to a minute old",
                "of addresses, the 200 with the most reconnects are recorded",
                "numbers of a connection or channel are the last ones, also at an earlier moment",
            ],
        )

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    async def answer(self, query: Query) -> Answer:
        return await asyncio.to_thread(self.reader.answer, query, at=self._at)


@dataclass(frozen=True)
class _View:
    """The data that a RecordingFeed keeps in memory for one moment of the recording.

    Attributes:
        at: the moment, Unix seconds; None for the end of the recording.
        read: True once the file has been read.
        span: times of the recording's first and last tick; None without ticks.
        epoch: id of the epoch in the file.
        history: Samples and Events of the hour before the moment.
        snapshot: the totals at the moment.
        channels: the rows of the channels table.
        socketio: the rows of the Socket.IO table.
        connections: the connections that are shown, open and closed.
    """

    at: float | None = None
    read: bool = False
    span: tuple[float, float] | None = None
    epoch: int = 0
    history: History = field(default_factory=History)
    snapshot: Snapshot | None = None
    channels: Sequence[ChannelInfo] = ()
    socketio: Sequence[SocketIOInfo] = ()
    connections: Sequence[ConnectionInfo] = ()


def _read(reader: QueryReader, at: float | None, before: _View) -> Callable[[], _View]:
    """Read the data for a moment from the file, on a worker thread.

    If the moment is later than the previous moment in the same epoch, the history of the previous
    data is extended. The returned function extends it on the event loop, so that code on the event
    loop never sees data of two different ticks.

    Args:
        reader: reads the file.
        at: the moment, Unix seconds; None for the end of the recording.
        before: the data for the previous moment.

    Returns:
        A function that returns the new data, to be called on the event loop.
    """
    epoch, span = reader.epoch_at(at), reader.span()
    if epoch is None:
        return lambda: _View(at=at, read=True, span=span)
    source, known = reader.source(at), before.history.latest()
    forth = before.at is None if at is None else before.at is not None and before.at <= at
    continued = forth and before.epoch == epoch.id
    if continued and at is None and known is not None and source.seq == known.seq:
        return lambda: before
    history = before.history if continued else History()
    after = known.seq if continued and known is not None else 0
    since = source.time - WINDOW
    for level in LEVELS:
        points = reader.points.samples(
            level=level, since=since, until=at, epoch=epoch.id, after=after
        )
        if points:
            break
    seen = max(history.last_event(), reader.last_event(epoch, at) - EVENTS)
    events = [e for _, e in reader.events(until=at, epoch=epoch.id, after=seen)]
    view = _View(
        at=at,
        read=True,
        span=span,
        epoch=epoch.id,
        history=history,
        snapshot=reader.points.snapshot(at),
        channels=reader.tables.channels(epoch),
        socketio=reader.tables.socketio(epoch, source),
        connections=reader.connections.shown(epoch=epoch.id, at=at),
    )

    def make() -> _View:
        for point in points:
            history.add(point.sample)
        history.extend_events(events)
        return view

    return make
