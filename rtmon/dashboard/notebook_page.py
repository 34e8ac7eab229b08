"""A dashboard page as the output of a notebook cell, updated through Jupyter comms."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..display.notebook_charts import Columns
from ..display.notebook_dashboard import SHOWN, in_words
from ..display.output_content import Content, Page
from ..display.saved_output import bundle
from ..errors import RtmonError
from ..feeds import Feed, open_feed
from ..views.chart_definition import Chart
from ..views.chart_points import COLUMNS
from ..views.server_charts import CHARTS
from .notebook_script import cell_script
from .page_messages import PageMessage, obey
from .page_updater import PageUpdater
from .pages import PAGES
from .table_files import FileRequest, file_of
from .view_parameters import search

__all__ = ["NotebookPage"]

logger = logging.getLogger("rtmon")

_DRAWN: Final[Mapping[str, Sequence[str]]] = {
    "overview": SHOWN,
    "latency": ("rtt", "handler", "delivery"),
}
"""Page → keys of the charts that are saved as images, for notebooks that run no scripts."""


@dataclass(eq=False)
class _Visitor:
    """Adapts a browser page that shows the notebook to the page updater's Viewer interface.

    Attributes:
        page: the browser page, with the comm to it.
        hidden: always False. A notebook page that is out of sight stops sending messages instead.
        shows: the last ``show`` message of the page; None before the first.
    """

    page: Page
    hidden: bool = False
    shows: PageMessage | None = None

    @property
    def ready(self) -> bool:
        """True while the browser page has sent a message recently, so that updates reach it."""
        return not (self.hidden or self.page.silent)

    def send(self, text: bytes) -> None:
        """Send a message, encoded as JSON, to the browser page."""
        self.page.send(text=text.decode())


class _SharedUpdater:
    """A page updater that cells with the same source share. It runs until the last cell ends.

    Args:
        source: a Monitor, the address of an admin listener, the file of a recording, or a Feed.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.updater = PageUpdater(open_feed(source), closes=False)
        self.cells = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the page updater's task, unless it is running."""
        if self._task is None:
            self._task = asyncio.create_task(self.updater.run(), name="rtmon-updater")
            self._task.add_done_callback(_log_failure)

    async def release(self) -> None:
        """Remove one cell. After the last cell, stop the updater and close its feed.

        A feed that the user passed as the source stays open.
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
    """Shows a dashboard page in a notebook cell. Cells with the same source share an updater.

    Args:
        source: a Monitor, the address of an admin listener, the file of a recording, or a Feed.
        parameters: URL parameters of the page, such as ``{"page": "latency"}``.
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
        # Two cells that show the same recording have separate updaters, because each cell has its
        # own replay position.
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
        # The browser requests the first page itself. Later requests are actions of the user.
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
    """Log the exception of a page updater's task, unless the task was cancelled."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        logger.error("a view in the notebook has failed", exc_info=failure)


def _since_first(points: Columns) -> Columns:
    """Return chart points whose times are seconds since the first point."""
    times = points["time"]
    begin = (times[0] if times else None) or 0.0
    return {**points, "time": [((time or 0.0) - begin) / 1e3 for time in times]}
