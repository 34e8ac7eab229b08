"""``rtmon.report``: write the measurements during a ``with`` block as an HTML report."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..core.atomic_file import writing
from ..errors import MonitorError, OptionError
from ..feeds import Feed, open_feed
from ..feeds.remote_feed import RemoteFeed
from ..metrics.redaction import KEEP_ALL, Redaction
from ..monitor import Monitor
from .html_page import Paragraph, Section, page
from .report_sections import measured

if TYPE_CHECKING:
    from ..metrics.records import Sample

__all__ = ["Report", "report"]


class Report:
    """Context manager that writes an HTML report at its end; see :func:`report`.

    Attributes:
        path: the HTML file. It is written under a temporary name, and renamed when complete.
        feed: the feed whose measurements are reported.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: Monitor | Feed | str,
        *,
        title: str,
        redaction: Redaction,
        timeout: float,
    ) -> None:
        self.path = Path(path)
        self._source = source
        self.feed = open_feed(source)
        self._title, self._redaction, self._timeout = title, redaction, timeout
        self._since = self._events = 0
        self._epoch = ""
        self._began = 0.0

    def __enter__(self) -> Self:
        if isinstance(self.feed, RemoteFeed):
            raise OptionError(
                f"{self._source!r} is read over a connection: use `async with rtmon.report(…)`"
            )
        self._begin()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write(exc_value)

    async def __aenter__(self) -> Self:
        await self.feed.start()
        if isinstance(self.feed, RemoteFeed):
            await self.feed.complete(self._timeout)
        self._begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._write(exc_value)
        finally:
            if self.feed is not self._source:
                await self.feed.aclose()

    def _begin(self) -> None:
        """Store the numbers of the last Sample and Event before the ``with`` block.

        First, a Monitor is made to tick, so that its next Sample covers no time before the block.
        """
        self._tick()
        latest = self.feed.latest()
        if latest is not None:
            self._since, self._epoch = latest.seq, latest.epoch
        self._events = max((event.seq for event in self.feed.events()), default=0)
        self._began = self.feed.now()

    def _tick(self) -> None:
        if isinstance(self._source, Monitor) and not self._source.closed:
            # A Monitor that runs on another thread cannot tick on this one. Its last tick is at
            # most one tick interval old.
            with contextlib.suppress(MonitorError):
                self._source.tick()

    def _write(self, error: BaseException | None) -> None:
        self._tick()
        latest = self.feed.latest()
        parts = measured(self.feed, **self._span(latest), redaction=self._redaction)
        if error is not None:
            parts.insert(
                0, Paragraph(f"It ended with an exception: {type(error).__name__}: {error}")
            )
        status = self.feed.status
        seconds = self.feed.now() - self._began
        moment = datetime.fromtimestamp(self._began, UTC)
        about = (
            f"{status.node or status.source}, from {moment:%Y-%m-%d %H:%M:%S} UTC, {seconds:,.0f} s"
        )
        with writing(self.path) as file:
            file.write(page(self._title, about, [Section("What the server measured", parts)]))

    def _span(self, latest: Sample | None) -> dict[str, int]:
        """Return the numbers of the last Sample and Event before the ``with`` block.

        Both numbers are 0 if the server was restarted during the block. All Samples and Events of
        the new epoch then belong to the report, because their numbers begin at 1.
        """
        if latest is None or latest.epoch != self._epoch:
            return {"since": 0, "events_since": 0}
        return {"since": self._since, "events_since": self._events}


def report(
    path: str | os.PathLike[str],
    source: Monitor | Feed | str,
    *,
    title: str = "What happened",
    redaction: Redaction = KEEP_ALL,
    timeout: float = 10.0,
) -> Report:
    """Write the measurements of a server during a ``with`` block as a self-contained HTML page.

    ::

        with rtmon.report("run.html", monitor):
            ...
        async with rtmon.report("run.html", "ws://127.0.0.1:8766"):
            ...

    The page loads no other files and contains no scripts. It is written even if the block raises
    an exception. The page covers at most the last hour of the block.

    Args:
        path: the HTML file; an existing file is replaced when the block has ended.
        source: a Monitor, a Feed that was started, or the address of an admin listener.
        title: the page's heading.
        redaction: which texts are redacted; by default none.
        timeout: seconds to wait for the first answer of an admin listener.

    Raises:
        OptionError: the source is invalid, or needs ``async with``.
        FeedError: the server did not answer in time.
        OSError: the file cannot be written.
    """
    return Report(path, source, title=title, redaction=redaction, timeout=timeout)
