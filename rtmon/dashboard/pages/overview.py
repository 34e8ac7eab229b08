"""The overview of one feed: tiles, charts, close codes and tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import panel as pn

from ...feeds.feed import Feed
from ...feeds.paused import Still
from ...metrics import csvtext
from ...recording.feed import RecordingFeed
from ...views import browser, socketio, tables
from ...views.browser import FONT, closes
from ...views.browser.tiles import html as tiles_html
from ...views.freshness import FreshnessTracker
from ...views.numbers import clock
from ...views.points import Timeline
from ...views.tiles import tiles
from ..components.bar import Bar
from ..components.charts import Charts
from ..components.component import html
from ..components.table import (
    channels_table,
    connections_table,
    events_table,
    socketio_table,
)
from ..components.time_slider import TimeSlider
from ..theme import asset

__all__ = ["Overview"]

TILE_SAMPLES = 600
"""Samples that tiles look back on: two minutes, also of a Monitor that ticks five times a
second."""

TABLE_EVERY = 2
"""Ticks between two looks at the tables: numbers that change faster cannot be read."""


class Overview:
    """Everything that one page shows of a feed.

    Call :meth:`update` about once a second, inside ``panel.io.hold()``.

    Args:
        feed: the feed to show; its maker starts and closes it.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._reading = feed
        self._tracker = FreshnessTracker()
        self._timeline = Timeline()
        self._ticks = 0
        self._event_seq = 0
        self._stale = False
        self.bar = Bar(css_classes=["sticky"], sizing_mode="stretch_width", margin=0)
        self.charts = Charts(now=feed.now())
        self.tiles = html(browser.asset("tiles.css"))
        self.closes = html(browser.asset("closes.css"))
        self.connections = connections_table()
        self.channels = channels_table()
        self.socketio = socketio_table()
        self.events = events_table()
        self.slider = self._time_slider()
        self._body = self._compose()
        fonts = f":host {{ --rt-font: {FONT}; }}"
        self.root = pn.Column(
            self.bar,
            *([self.slider] if self.slider is not None else []),
            self._body,
            css_classes=["view"],
            stylesheets=[asset("layout.css"), fonts],
            sizing_mode="stretch_width",
            margin=0,
        )
        self.bar.download = lambda: self._csv("samples", self._reading.samples())
        self.events.download = lambda: self._csv("events", self._reading.events())
        self.socketio.download = lambda: self._csv("socketio", self._reading.socketio())
        self.channels.download = lambda: self._csv("channels", self._reading.channels())
        self.connections.download = self._connections_csv
        self.bar.param.watch(self._on_paused, "paused")
        self.bar.param.watch(lambda _: self._draw_charts(anew=True), "window")
        self.connections.param.watch(lambda _: self._draw_connections(), "query")
        self.update()

    def _time_slider(self) -> TimeSlider | None:
        """Return a time slider for a recording; None for a live server."""
        if not isinstance(self.feed, RecordingFeed):
            return None
        feed = self.feed
        begin, end = feed.span or (feed.now() - 1, feed.now())
        slider = TimeSlider(begin=begin, end=end, sizing_mode="stretch_width", margin=0)

        async def seek(change: Any) -> None:
            await feed.seek(change.new)
            self._ticks = self._event_seq = 0  # the next update draws everything

        slider.param.watch(seek, "at")
        return slider

    def _compose(self) -> pn.Column:
        closes_card = _box("card", self.closes, sheet=browser.asset("card.css"))
        cards = [*self.charts.cards.values(), closes_card]
        for table in (self.connections, self.socketio, self.channels, self.events):
            table.param.update(margin=0, sizing_mode="stretch_width")
        return _box(
            "body",
            self.tiles,
            _box("grid", *cards),
            self.connections,
            self.socketio,
            _box("lists", self.channels, self.events),
        )

    def update(self) -> None:
        """Show what the feed has now."""
        self._draw_freshness()
        if self.slider is not None and isinstance(self.feed, RecordingFeed):
            self.slider.begin, self.slider.end = self.feed.span or (0.0, 1.0)
        if self._reading is not self.feed:
            return
        latest = self.feed.latest()
        anew = self._timeline.follow(
            latest.epoch if latest else None, latest.seq if latest else None
        )
        fresh = self._timeline.extend(self.feed.samples(self._timeline.seq))
        if anew:
            self._event_seq = self._ticks = 0
        if fresh or anew:
            self._draw_charts(fresh=fresh, anew=anew)
        if fresh or anew or self._ticks == 0:
            self._draw_numbers()
        if self._ticks % TABLE_EVERY == 0:
            self._draw_connections()
            self._draw_channels()
            self._draw_socketio()
            self._draw_events()
        self._ticks += 1

    def _on_paused(self, event: Any) -> None:
        self._reading = Still(self.feed) if event.new else self.feed
        self._ticks = 0
        self.update()

    def _draw_freshness(self) -> None:
        paused_at = self._reading.now() if self._reading is not self.feed else None
        freshness = self._tracker.assess(self.feed, paused_at=paused_at)
        self.bar.freshness = {
            "kind": freshness.kind,
            "pill": freshness.pill,
            "banner": freshness.banner,
        }
        status = self.feed.status
        parts = [status.node or status.source]
        if status.node and status.source not in status.node:
            parts.append(status.source)
        latest = self._reading.latest()
        if latest is not None:
            parts.append(f"{clock(latest.time)} UTC")
        self.bar.source = " · ".join(parts)
        if freshness.stale != self._stale:
            self._stale = freshness.stale
            kept = [name for name in self._body.css_classes if name != "stale"]
            self._body.css_classes = [*kept, "stale"] if self._stale else kept

    def _draw_charts(self, *, fresh: Any = (), anew: bool = False) -> None:
        self.charts.show(
            list(self._timeline.points), list(fresh), window=self.bar.window, anew=anew
        )

    def _draw_numbers(self) -> None:
        snapshot = self._reading.snapshot()
        since = max(0, self._timeline.seq - TILE_SAMPLES)
        self.tiles.html = tiles_html(tiles(self._reading.samples(since), snapshot))
        self.closes.html = closes.html(snapshot.close_codes if snapshot else {})

    def _draw_connections(self) -> None:
        query = tables.connection_query(self.connections.query)
        self.connections.page = tables.connections_page(self._reading, query)

    def _draw_channels(self) -> None:
        channels = self._reading.channels()
        self.channels.visible = bool(channels)  # only a hub has them
        self.channels.page = tables.channels_page(channels)

    def _draw_socketio(self) -> None:
        rows = self._reading.socketio()
        self.socketio.visible = bool(rows)  # only a Socket.IO server has them
        self.socketio.page = socketio.page(rows)

    def _draw_events(self) -> None:
        since = max(0, self._event_seq - tables.EVENTS_SHOWN)
        events = self._reading.events(since)
        if events:
            self._event_seq = events[-1].seq
        self.events.page = tables.events_page(events[-tables.EVENTS_SHOWN :])

    def _connections_csv(self) -> tuple[str, str]:
        asked = tables.connection_query(self.connections.query)
        everything = self._reading.connections(replace(asked, offset=0, limit=None))
        return self._csv("connections", everything.rows)

    def _csv(self, table: str, rows: Any) -> tuple[str, str]:
        stamp = clock(self._reading.now()).replace(":", "")
        return f"{table}-{stamp}.csv", "".join(csvtext.lines(table, rows))


def _box(name: str, *content: Any, sheet: str = "") -> pn.Column:
    return pn.Column(
        *content,
        css_classes=[name],
        stylesheets=[sheet or asset("layout.css")],
        sizing_mode="stretch_width",
        margin=0,
    )
