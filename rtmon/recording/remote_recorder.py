"""Record a server from outside: read its admin listener and write the file."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.clock import SYSTEM_CLOCK, Clock
from ..errors import FeedError, QueryError
from ..feeds.feed import ConnectionQuery
from ..feeds.queries import RowsQuery
from ..metrics.redaction import KEEP_ALL, Redaction
from .database import WriteLock
from .retention import RecordingLimits
from .tick_data import TickData
from .tick_writer import Writer

if TYPE_CHECKING:
    from ..feeds.remote_feed import RemoteFeed
    from ..metrics.labelled_durations import Labels
    from ..metrics.records import (
        AddressInfo,
        ChannelInfo,
        ConnectionInfo,
        Event,
        Sample,
        Snapshot,
        SocketIOInfo,
    )

__all__ = ["Progress", "Recorder"]

logger = logging.getLogger("rtmon")

ADDRESSES = 200
"""Maximum number of recorded addresses: those with the most reconnects."""

Progress = Callable[[int, str], None]
"""Called with the number of written ticks, and the present write error, "" without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """Received ticks of an epoch that are not written yet."""

    epoch: str
    samples: Sequence[Sample]
    events: Sequence[Event]
    rows: Sequence[ConnectionInfo]
    channels: Sequence[ChannelInfo]
    socketio: Sequence[SocketIOInfo]
    snapshot: Snapshot | None
    labels: Mapping[int, Labels] = field(default_factory=dict)
    addresses: Sequence[AddressInfo] | None = None


class Recorder:
    """Writes the data of a feed; after a failure, the missing ticks are written later.

    Args:
        feed: reads the server; it has been started.
        path: the file.
        limits: retention limits.
        redaction: redaction of texts.
        clock: source of time.
        progress: see :data:`Progress`.

    Raises:
        OptionError: another recording writes the file, or it is on a network file system.
        FileFormatError: it was written by a newer release, or is another database.
        OSError: it cannot be written.
    """

    def __init__(
        self,
        feed: RemoteFeed,
        path: str | os.PathLike[str],
        *,
        limits: RecordingLimits | None = None,
        redaction: Redaction = KEEP_ALL,
        clock: Clock = SYSTEM_CLOCK,
        progress: Progress = lambda _ticks, _problem: None,
    ) -> None:
        self.path = Path(path)
        self._feed = feed
        self._progress = progress
        self._lock = WriteLock(self.path)
        try:
            self._writer = Writer(self.path, clock=clock, limits=limits, redaction=redaction)
        except BaseException:
            self._lock.release()
            raise
        # Cancelling run() does not end a write on its thread.
        self._writing = threading.Lock()
        self._epoch = ""
        self._seq = self._events = self._labelled = 0
        self._ticks = 0
        self._rows: dict[str, ConnectionInfo] = {}
        self._last: list[ConnectionInfo] = []

    async def run(self) -> None:
        """Record until cancelled."""
        ticked = asyncio.Event()
        end = self._feed.listen(lambda _sample: ticked.set())
        try:
            while True:
                ticked.clear()
                await self._catch_up()
                await ticked.wait()
        finally:
            end()

    async def _catch_up(self) -> None:
        """Write the ticks that are not written yet."""
        problem = ""
        try:
            await asyncio.to_thread(self._write, await self._asked(self._news()))
        except OSError as exc:
            problem = exc.strerror or str(exc)
        self._progress(self._ticks, problem)

    async def _asked(self, news: _News) -> _News:
        """Add tables that the server sends only on request."""
        if not news.samples:
            return news
        try:
            after = self._labelled if news.epoch == self._epoch else 0
            found = await self._feed.labels(news.epoch, after)
            answer = await self._feed.query(
                RowsQuery(table="addresses", sort="reconnects", limit=ADDRESSES)
            )
        except (FeedError, QueryError):  # the server is away, or an older one
            return news
        last = news.samples[-1].seq
        labels = {seq: each for seq, each in found.items() if seq <= last}
        return replace(news, labels=labels, addresses=[row.record for row in answer.rows])

    def _news(self) -> _News:
        """Return the received data not written yet; on the loop, where it is consistent."""
        latest = self._feed.latest()
        epoch = latest.epoch if latest else ""
        same = epoch == self._epoch
        return _News(
            epoch=epoch,
            samples=self._feed.samples(self._seq if same else 0),
            events=self._feed.events(self._events if same else 0),
            rows=self._feed.connections(ConnectionQuery(state=None)).rows,
            channels=self._feed.channels(),
            socketio=self._feed.socketio(),
            snapshot=self._feed.snapshot(),
        )

    def _write(self, news: _News) -> None:
        with self._writing:
            if news.samples:
                self._write_news(news)

    def _write_news(self, news: _News) -> None:
        if news.epoch != self._epoch:
            if self._epoch:
                self._writer.end(self._last)
            self._writer.begin(news.samples[0].node, news.epoch)
            self._epoch, self._seq, self._events, self._rows = news.epoch, 0, 0, {}
            self._labelled = 0
        for sample in news.samples[:-1]:
            self._writer.write(TickData(sample=sample))
            self._count(sample)
        states: dict[str, Sequence[Any]] = {"socketio": news.socketio}
        if news.addresses is not None:
            states["addresses"] = news.addresses
        # Connections and events are as of the last of these ticks.
        changed = [row for row in news.rows if self._rows.get(row.id) is not row]
        self._writer.write(
            TickData(
                sample=news.samples[-1],
                events=news.events,
                closed=[row for row in changed if row.state == "closed"],
                changed=[row for row in changed if row.state == "open"],
                channels=news.channels,
                snapshot=news.snapshot,
                labels=news.labels,
                states=states,
            )
        )
        self._labelled = max(news.labels, default=self._labelled)
        self._count(news.samples[-1])
        self._events = news.events[-1].seq if news.events else self._events
        self._rows = {row.id: row for row in news.rows}
        self._last = [row for row in news.rows if row.state == "open"]

    def _count(self, sample: Sample) -> None:
        self._seq = sample.seq
        self._ticks += 1

    def close(self) -> None:
        """Write the remaining ticks and close the file: one file remains.

        Raises:
            OSError: it cannot be written now.
        """
        try:
            self._write(self._news())
            if self._epoch:
                self._writer.end(self._last)
            self._writer.close()
        finally:
            self._lock.release()
