"""Record a server in another process: read its admin listener, and write a recording."""

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
"""Maximum number of client addresses recorded; those with the most reconnects are chosen."""

Progress = Callable[[int, str], None]
"""Callback of a Recorder, called after each attempt to write.

Its arguments are the number of ticks written so far, and the text of the present write error, or ""
if there is no error.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """Data that a Recorder has received from the server and not written yet.

    Attributes:
        epoch: epoch of the data.
        samples: the Samples of the new ticks, oldest first.
        events: the new Events, oldest first.
        rows: all connections that the feed knows.
        channels: all channels.
        socketio: the rows of the Socket.IO table.
        snapshot: the totals; None before the first tick.
        labels: number of a tick → its durations by label.
        addresses: the client addresses; None if the server did not send them.
    """

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
    """Writes the data of a remote server into a recording.

    If a write fails, the ticks are written with the next successful write.

    Args:
        feed: the feed of the server's admin listener; it must have been started.
        path: the recording; an existing one is continued.
        limits: how long and how many rows are kept; see :class:`RecordingLimits`.
        redaction: which texts are redacted.
        clock: source of time.
        progress: called after each attempt to write; see :data:`Progress`.

    Raises:
        OptionError: another process or Recording writes the file, or it is on a network file
            system.
        FileFormatError: the file was written by a newer rtmon, or is another database.
        OSError: the file cannot be written.
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
        # Cancelling run() does not stop a write in a worker thread: close() must wait for it.
        self._writing = threading.Lock()
        self._epoch = ""
        self._seq = self._events = self._labelled = 0
        self._ticks = 0
        self._rows: dict[str, ConnectionInfo] = {}
        self._last: list[ConnectionInfo] = []

    async def run(self) -> None:
        """Write each new tick of the server into the recording, until the task is cancelled."""
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
        """Write all received ticks that are not written yet, and report the progress."""
        problem = ""
        try:
            await asyncio.to_thread(self._write, await self._asked(self._news()))
        except OSError as exc:
            problem = exc.strerror or str(exc)
        self._progress(self._ticks, problem)

    async def _asked(self, news: _News) -> _News:
        """Request labels and client addresses, which the server sends only on request.

        Args:
            news: the data that was received without a request.

        Returns:
            The data with labels and addresses; unchanged if the server does not answer.
        """
        if not news.samples:
            return news
        try:
            after = self._labelled if news.epoch == self._epoch else 0
            found = await self._feed.labels(news.epoch, after)
            answer = await self._feed.query(
                RowsQuery(table="addresses", sort="reconnects", limit=ADDRESSES)
            )
        except (FeedError, QueryError):  # disconnected, or the server has an older rtmon
            return news
        last = news.samples[-1].seq
        labels = {seq: each for seq, each in found.items() if seq <= last}
        return replace(news, labels=labels, addresses=[row.record for row in answer.rows])

    def _news(self) -> _News:
        """Return the received data that is not written yet.

        Must be called on the event loop, so that the feed cannot change during the call.
        """
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
        # The feed has connections and tables only as of the newest tick, so they are written
        # with this tick.
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
        """Write the remaining ticks, close the recording and release its lock.

        Raises:
            OSError: the file cannot be written now.
        """
        try:
            self._write(self._news())
            if self._epoch:
                self._writer.end(self._last)
            self._writer.close()
        finally:
            self._lock.release()
