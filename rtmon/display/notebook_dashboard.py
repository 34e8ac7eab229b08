"""The live dashboard of a feed in a notebook cell: tiles, charts, and tables on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import OptionError
from ..feeds import open_feed
from ..feeds.feed import Feed
from ..metrics import csv_text
from ..views import socketio_table, table_pages
from ..views.chart_definition import Chart
from ..views.chart_json import chart_layouts
from ..views.chart_points import COLUMNS, Point, Timeline
from ..views.data_freshness import FreshnessTracker
from ..views.merged_samples import WINDOWS, MergedSamples
from ..views.number_format import clock
from ..views.server_charts import CHARTS
from ..views.table_rows import CHANNEL_COLUMNS, CONNECTION_COLUMNS, EVENT_COLUMNS
from ..views.tick_update import recent_tiles, rounded, source_text
from . import close_code_bars
from .live_notebook_outputs import show
from .notebook_picture import Columns, Layout, Picture, PictureUpdate, TableLayout

__all__ = ["SHOWN", "Dashboard", "FeedPicture", "in_words"]

SHOWN = ("open", "messages", "rtt", "errors")
"""Keys of the charts shown by default: open connections, messages, round-trip time and errors."""


class Dashboard:
    """The live dashboard of a Monitor, a server or a feed in a notebook.

    A notebook shows the dashboard if the object is the last expression of a cell. The dashboard is
    updated also after the cell has finished. A Monitor as the last expression shows the same
    dashboard.

    Args:
        source: a Monitor, the address of an admin listener (``"ws://127.0.0.1:8766"``), or a
            Feed. The caller must close the Feed.
        show: keys of the charts to show, in this order. The user can open the other charts.

    Raises:
        OptionError: ``source`` has another type, or ``show`` contains an unknown key.
    """

    def __init__(self, source: Any, *, show: Sequence[str] = SHOWN) -> None:
        self._shown = _chosen(show)
        self._feed = open_feed(source)
        self._owned = self._feed is not source

    def __repr__(self) -> str:
        snapshot = self._feed.snapshot()
        return f"<rtmon.Dashboard of {self._feed.status.source}: {snapshot or 'no numbers yet'}>"

    def _ipython_display_(self) -> None:
        show(FeedPicture(self._feed, shown=self._shown, owned=self._owned))


def _chosen(keys: Sequence[str]) -> list[Chart[MergedSamples]]:
    known = {chart.key: chart for chart in CHARTS}
    if isinstance(keys, str) or not keys or not set(keys) <= set(known):
        raise OptionError(
            f"show={keys!r}: give a list of charts to show, out of {', '.join(known)}"
        )
    return [known[key] for key in dict.fromkeys(keys)]


class FeedPicture(Picture):
    """A live notebook output with tiles, charts and tables of a feed's data.

    Args:
        feed: the feed to show.
        shown: the charts to show at first; None for the default charts.
        owned: True if :meth:`aclose` must close the feed.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        shown: Sequence[Chart[MergedSamples]] | None = None,
        owned: bool = False,
    ) -> None:
        self._feed = feed
        self._owned = owned
        self._charts = _chosen(SHOWN) if shown is None else shown
        self._tracker = FreshnessTracker()
        self._timeline = Timeline()
        self.layout = Layout(
            heading=f"Dashboard of {feed.status.source}",
            axis="clock",
            charts=chart_layouts(self._charts),
            more=chart_layouts(chart for chart in CHARTS if chart not in self._charts),
            tables=_TABLES,
            windows=tuple(WINDOWS.items()),
            window=300,
            csv=True,
        )

    async def start(self) -> None:
        await self._feed.start()

    async def aclose(self) -> None:
        if self._owned:
            await self._feed.aclose()

    @property
    def ended(self) -> bool:
        return self._feed.status.state == "closed"

    def text(self) -> str:
        return in_words(self._feed)

    def update(self) -> PictureUpdate:
        latest = self._feed.latest()
        anew = self._timeline.follow(latest.epoch if latest else None)
        fresh = self._timeline.extend(self._feed.samples(self._timeline.seq))
        return self._frame(fresh, anew=anew)

    def whole(self, window: float) -> PictureUpdate:
        return self._frame(self._points(window), anew=True)

    def _points(self, window: float) -> list[Point]:
        points = self._timeline.points
        begin = points[-1].time - window * 1e3 if points else 0.0
        return [point for point in points if point.time >= begin]

    def _frame(self, points: Sequence[Point], *, anew: bool) -> PictureUpdate:
        latest = self._feed.latest()
        filled = {"channels": self._feed.channels(), "socketio": self._feed.socketio()}
        return PictureUpdate(
            time=latest.time if latest is not None else self._feed.now(),
            status=self._tracker.assess(self._feed),
            source=source_text(self._feed),
            columns=_columns(points),
            anew=anew,
            tiles=recent_tiles(self._feed, self._timeline.seq),
            hidden=[key for key, rows in filled.items() if not rows],
        )

    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        drawn = _columns(self._points(self.layout.window))
        times = [time or 0.0 for time in drawn["time"]]
        drawn = {**drawn, "time": [(time - times[0]) / 1e3 for time in times]}
        return [(chart, drawn) for chart in self._charts]

    def table(self, key: str, query: Mapping[str, Any]) -> Mapping[str, Any] | str:
        if key == "connections":
            return table_pages.connections_page(self._feed, table_pages.connection_query(query))
        if key == "channels":
            return table_pages.channels_page(self._feed.channels())
        if key == "socketio":
            return socketio_table.page(self._feed.socketio())
        if key == "events":
            return table_pages.events_page(self._feed.events()[-table_pages.EVENTS_SHOWN :])
        snapshot = self._feed.snapshot()
        return close_code_bars.html(snapshot.close_codes if snapshot else {})

    def csv(self, key: str, query: Mapping[str, Any]) -> tuple[str, str]:
        rows: Any
        if key == "connections":
            asked = replace(table_pages.connection_query(query), offset=0, limit=None)
            rows = self._feed.connections(asked).rows
        elif key in {"channels", "socketio", "events"}:
            rows = getattr(self._feed, key)()
        else:
            key, rows = "samples", self._feed.samples()
        stamp = clock(self._feed.now()).replace(":", "")
        return f"{key}-{stamp}.csv", "".join(csv_text.lines(key, rows))


def in_words(feed: Feed) -> str:
    """Return a feed's state as one line of text, for front ends that cannot show HTML."""
    snapshot = feed.snapshot()
    if snapshot is None:
        return f"rtmon: {feed.status.source}, no numbers yet"
    return f"rtmon: {snapshot} ({snapshot.node}, {clock(snapshot.time)} UTC)"


def _columns(points: Sequence[Point]) -> Columns:
    return dict(zip(COLUMNS, rounded(points), strict=True))


_TABLES = (
    TableLayout(
        key="connections",
        heading="Connections",
        columns=table_pages.described(CONNECTION_COLUMNS, sortable=True),
        states=table_pages.STATES,
        page_size=table_pages.PAGE_SIZE,
        query=table_pages.FIRST_QUERY,
    ),
    TableLayout(
        key="channels",
        heading="Channels",
        columns=table_pages.described(CHANNEL_COLUMNS, sortable=False),
    ),
    TableLayout(
        key="socketio",
        heading="Socket.IO",
        columns=table_pages.described(socketio_table.COLUMNS, sortable=False),
    ),
    TableLayout(
        key="events",
        heading="Events",
        columns=table_pages.described(EVENT_COLUMNS, sortable=False),
    ),
    TableLayout(key="closes", heading="Close codes"),
)
