"""A dashboard page in a notebook output. The page gets its updates over a Jupyter comm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..display.notebook_dashboard import SHOWN, in_words
from ..display.notebook_output_content import Content, Page
from ..display.notebook_picture import Columns
from ..display.saved_notebook_output import bundle
from ..errors import RtmonError
from ..feeds import Feed, open_feed
from ..views.chart_definition import Chart
from ..views.chart_points import COLUMNS
from ..views.server_charts import CHARTS
from .notebook_script import cell_script
from .page_messages import PageMessage, obey
from .page_updater import PageUpdater
from .pages import PAGES
from .table_downloads import FileRequest, file_of
from .view_parameters import search

__all__ = ["NotebookPage"]

logger = logging.getLogger("rtmon")

_DRAWN: Final[Mapping[str, Sequence[str]]] = {
    "overview": SHOWN,
    "latency": ("rtt", "handler", "delivery"),
}
"""Page name → keys of the charts drawn as images, for notebooks that do not run scripts."""


@dataclass(eq=False)
class _Visitor:
    """Adapts a notebook page with a comm to the :class:`Viewer` protocol of a page updater.

    Attributes:
        page: the notebook page and its comm.
        hidden: always False, because a notebook page does not report that it is hidden. Instead it
            stops sending messages, so :attr:`ready` becomes False.
        shows: the dashboard page and parameters of the last ``show`` message; None before the first
            such message.
    """

    page: Page
    hidden: bool = False
    shows: PageMessage | None = None

    @property
    def ready(self) -> bool:
        """True if the notebook page has sent a message recently, so that it can be updated."""
        return not (self.hidden or self.page.silent)

    def send(self, text: bytes) -> None:
        """Send a message to the notebook page over its comm."""
        self.page.send(text=text.decode())


class _SharedUpdater:
    """A page updater that several notebook cells share, and that stops with the last cell.

    Args:
        source: a Monitor, the address of an admin listener, the path of a recording, or a Feed.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.updater = PageUpdater(open_feed(source), closes=False)
        self.cells = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the page updater's task, unless the task is running."""
        if self._task is None:
            self._task = asyncio.create_task(self.updater.run(), name="rtmon-updater")
            self._task.add_done_callback(_log_failure)

    async def release(self) -> None:
        """Reduce the number of cells by one; if no cell is left, stop the page updater.

        When the page updater stops, the feed is closed, unless the user passed the feed as the
        source.
        """
        self.cells -= 1
        if self.cells > 0:
            return
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self.updater.feed is not self.source:
            await self.updater.feed.aclose()


class NotebookPage(Content):
    """The content of a notebook output in which a dashboard page is shown.

    Cells with the same source share one page updater. Cells that show a recording do not share one,
    because each of them has its own replay position.

    Args:
        source: a Monitor, the address of an admin listener, the path of a recording, or a Feed.
        parameters: URL parameters of the page to show first.
        height: maximum height in pixels.
    """

    shared: _SharedUpdater

    def __init__(self, source: Any, *, parameters: Mapping[str, str], height: int) -> None:
        self._source = source
        self._parameters = parameters
        self._height = height
        self._visitors: dict[Page, _Visitor] = {}
        self._files: set[asyncio.Task[None]] = set()
        self._pane: bytes = b"null"
        self._closed = False

    @property
    def _updater(self) -> PageUpdater:
        return self.shared.updater

    @property
    def _feed(self) -> Feed:
        return self._updater.feed

    def meet(self, others: Iterable[Content]) -> None:
        shown = [other.shared for other in others if isinstance(other, NotebookPage)]
        # Each cell that shows a recording has its own replay position, so it needs its own updater.
        same = [
            shared
            for shared in shown
            if shared.source == self._source and not shared.updater.feed.capabilities.replay
        ]
        self.shared = same[0] if same else _SharedUpdater(self._source)

    def begin(self) -> None:
        self.shared.cells += 1
        if self.shared.cells == 1:
            self._updater.begin()

    async def start(self) -> None:
        self.shared.start()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        for task in self._files:
            task.cancel()
        await self.shared.release()

    @property
    def ended(self) -> bool:
        return self._feed.status.state == "closed"

    async def prepare(self) -> None:
        if (page := self._parameters["page"]) in PAGES:
            asked = {n: text for n, text in self._parameters.items() if n not in {"page", "range"}}
            self._pane = await self._updater.answer(page, asked)

    def output(self, *, view: str, kernel: str) -> dict[str, Any]:
        frame = self._updater.last()
        message: dict[str, Any] = {"frame": frame}
        if self._pane != b"null":
            message["pane"] = msgspec.Raw(self._pane)
        points = dict(zip(COLUMNS, frame.points, strict=True))
        tag, script = cell_script()
        return bundle(
            tag=tag,
            script=script,
            view=view,
            attributes={
                "kernel": kernel,
                "address": search(self._parameters),
                "height": str(self._height),
                "message": msgspec.json.encode(message).decode(),
            },
            text=in_words(self._feed),
            time=frame.now if frame.time is None else frame.time,
            drawings=[(chart, _since_first(points)) for chart in self._drawn()],
        )

    def _drawn(self) -> Iterable[Chart[Any]]:
        page = self._parameters["page"]
        keys = [self._parameters["chart"]] if page == "chart" else _DRAWN.get(page, ())
        return [chart for chart in CHARTS if chart.key in keys]

    def welcome(self, page: Page) -> None:
        if page in self._visitors:
            self._updater.catch_up(self._visitors[page])
        else:
            visitor = self._visitors[page] = _Visitor(page)
            self._updater.join(visitor)

    def hear(self, page: Page, said: Mapping[str, Any]) -> bool:
        if said.get("do") == "alive":
            return False
        if said.get("do") == "file":
            task = asyncio.create_task(self._send_file(page, said["id"], said["asked"]))
            self._files.add(task)
            task.add_done_callback(self._files.discard)
            return False
        heard, visitor = msgspec.convert(said, PageMessage), self._visitors[page]
        obey(self._updater, visitor, heard)
        if heard.do != "show":
            return False
        before, visitor.shows = visitor.shows, heard
        # The first "show" message comes from the page's script and not from a user action.
        return before is not None

    def leave(self, page: Page) -> None:
        if (visitor := self._visitors.pop(page, None)) is not None:
            self._updater.leave(visitor)

    async def _send_file(self, page: Page, number: int, asked: Any) -> None:
        try:
            name, content = await file_of(self._feed, msgspec.convert(asked, FileRequest))
            value = {"name": name, "text": content.decode()}
        except (RtmonError, OSError, msgspec.ValidationError) as exc:
            value = {"error": str(exc)}
        page.send(text=msgspec.json.encode({"answer": number, "value": value}).decode())


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log the exception that ended a page updater's task, unless the task was cancelled."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.error("a view in the notebook has failed", exc_info=failure)


def _since_first(points: Columns) -> Columns:
    """Convert the times of chart points from milliseconds to seconds since the first point.

    Args:
        points: column name → values; ``time`` is in milliseconds since 1970.
    """
    times = points["time"]
    begin = (times[0] if times else None) or 0.0
    return {**points, "time": [((time or 0.0) - begin) / 1e3 for time in times]}
