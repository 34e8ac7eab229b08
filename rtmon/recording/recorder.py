"""Record a server from outside: read its admin listener and write the file."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.clock import SYSTEM_CLOCK, Clock
from ..feeds.feed import ConnectionQuery
from ..metrics.redaction import KEEP_ALL, Redaction
from .database import WriteLock
from .frame import Frame
from .retention import RecordingLimits
from .writer import Writer

if TYPE_CHECKING:
    from ..feeds.feed import Feed
    from ..metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot

__all__ = ["Progress", "Recorder"]

logger = logging.getLogger("rtmon")

Progress = Callable[[int, str], None]
"""Is told the ticks written so far, and why nothing can be written now, "" while it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What a feed has received and is not written yet; of an epoch."""

    epoch: str
    samples: Sequence[Sample]
    events: Sequence[Event]
    rows: Sequence[ConnectionInfo]
    channels: Sequence[ChannelInfo]
    snapshot: Snapshot | None


class Recorder:
    """Writes what a feed receives; what cannot be written now follows when it can.

    Args:
        feed: reads the server; it has been started.
        path: the file.
        limits: how much is kept.
        redaction: what is left out of texts.
        clock: where time comes from.
        progress: see :data:`Progress`.

    Raises:
        OptionError: another recording writes the file, or it is on a network file system.
        FileFormatError: it was written by a newer release, or is another database.
        OSError: it cannot be written.
    """

    def __init__(
        self,
        feed: Feed,
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
        self._seq = self._events = 0
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
            await asyncio.to_thread(self._write, self._news())
        except OSError as exc:
            problem = exc.strerror or str(exc)
        self._progress(self._ticks, problem)

    def _news(self) -> _News:
        """Take what was received and is not written; on the loop, where it is all of one tick."""
        latest = self._feed.latest()
        epoch = latest.epoch if latest else ""
        same = epoch == self._epoch
        return _News(
            epoch=epoch,
            samples=self._feed.samples(self._seq if same else 0),
            events=self._feed.events(self._events if same else 0),
            rows=self._feed.connections(ConnectionQuery(state=None)).rows,
            channels=self._feed.channels(),
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
        for sample in news.samples[:-1]:
            self._writer.write(Frame(sample=sample))
            self._count(sample)
        # What is known of connections and events is as of the last of these ticks.
        changed = [row for row in news.rows if self._rows.get(row.id) is not row]
        self._writer.write(
            Frame(
                sample=news.samples[-1],
                events=news.events,
                closed=[row for row in changed if row.state == "closed"],
                changed=[row for row in changed if row.state == "open"],
                channels=news.channels,
                snapshot=news.snapshot,
            )
        )
        self._count(news.samples[-1])
        self._events = news.events[-1].seq if news.events else self._events
        self._rows = {row.id: row for row in news.rows}
        self._last = [row for row in news.rows if row.state == "open"]

    def _count(self, sample: Sample) -> None:
        self._seq = sample.seq
        self._ticks += 1

    def close(self) -> None:
        """Write what is not written yet and finish the file: one file remains.

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
