"""The dashboard's update after each tick: chart points, tiles, alerts and status of a feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..feeds.feed import Feed
from ..metrics.records import Event, Sample
from .alert_rules import Attention, Matter
from .chart_points import COLUMNS, Point, Timeline, columns
from .data_freshness import Freshness, FreshnessTracker
from .number_tiles import Tile, tiles
from .server_charts import RTT_WINDOW

__all__ = [
    "Mark",
    "ReplayState",
    "TickUpdate",
    "TickUpdateMaker",
    "recent_tiles",
    "rounded",
    "source_text",
]

LIVE = 300.0
"""Seconds of chart points that a new viewer gets with the first update."""

TILE_SAMPLES = 600
"""Number of Samples from which tiles are computed: two minutes, even at five ticks a second."""

JUDGED = 90
"""Number of past Samples with which alert rules are evaluated when a feed is first shown, so that
problems that began before this moment are reported."""

MARKS = 100
"""Maximum number of Events in one update that are marked on the charts."""

_COMMON = frozenset({"opened", "closed"})
"""Kinds of Events that are too frequent to be marked on charts."""


class Matters(Struct, frozen=True, kw_only=True):
    """The alerts in an update.

    Attributes:
        rules: number of alert rules that were evaluated.
        well_since: since when there is no active alert, Unix seconds; None while an alert is
            active, and before the first Sample.
        matters: the active alerts, each with the rule's title and severity, a text about what is
            affected, the start, and the page and query that list the affected rows.
    """

    rules: int
    well_since: float | None
    matters: Sequence[Mapping[str, object]]


class Mark(Struct, frozen=True, kw_only=True):
    """An Event that is marked on the charts.

    Attributes:
        time: time of the Event, milliseconds since 1970.
        kind: kind of the Event.
        text: connection, code and detail of the Event.
    """

    time: float
    kind: str
    text: str


class ReplayState(Struct, frozen=True, kw_only=True):
    """The replay position of one viewer of a recording.

    Attributes:
        begin: time of the recording's first tick, Unix seconds.
        end: time of the recording's last tick; increases while the recording is still written.
        at: the moment that the viewer sees, Unix seconds; None for the recording's end.
        speed: playback speed, 1 for real time; 0 while paused.
        turn: number of the viewer's last completed seek request.
        limits: one sentence for each kind of data that a recording lacks.
    """

    begin: float
    end: float
    at: float | None
    speed: float
    turn: int
    limits: Sequence[str]


class TickUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the dashboard shows after one tick, as it is sent to browsers.

    Attributes:
        epoch: epoch of the tick; "" before the first tick.
        seq: number of the tick in its epoch; 0 before the first tick.
        time: time of the tick, Unix seconds of the server's clock; None before the first tick.
        now: time of the server's clock when the update was made, Unix seconds.
        node: name of the server process.
        source: name and address of the server, for display.
        status: whether the data is live, stalled and so on.
        anew: True if the page must replace all its chart points; False if it must append to them.
        points: for each of :data:`rtmon.views.chart_points.COLUMNS` the values of the new points.
            With ``anew`` in the update for a new viewer, these are all points of the last
            :data:`LIVE` seconds.
        tiles: the tiles; empty before the first tick.
        attention: the alerts.
        counts: dashboard page → number of rows of its table; None if unknown.
        marks: Events since the previous update that are marked on the charts.
        replay: the replay position if the feed is a recording, else None.
    """

    epoch: str
    seq: int
    time: float | None
    now: float
    node: str
    source: str
    status: Freshness
    anew: bool
    points: Sequence[Sequence[float | None]]
    tiles: Sequence[Tile]
    attention: Matters
    counts: Mapping[str, int | None]
    marks: Sequence[Mark]
    replay: ReplayState | None = None


class TickUpdateMaker:
    """Makes an update for the dashboard's viewers after each tick of a feed.

    Args:
        feed: the feed that the dashboard shows.

    Attributes:
        replay: the replay position that updates contain; None if the feed is not a recording.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._tracker = FreshnessTracker()
        self._timeline = Timeline()
        self._attention = Attention()
        self._event_seq = 0
        self.replay: ReplayState | None = None

    def update(self) -> TickUpdate:
        """Return an update with the chart points and Events since the previous call."""
        latest = self._feed.latest()
        anew = self._timeline.follow(
            latest.epoch if latest else None, latest.seq if latest else None
        )
        if anew:
            self._event_seq = 0
            self._attention = Attention()
        samples = _recent(self._feed.samples(self._timeline.seq))
        fresh = self._timeline.extend(samples)
        for sample in samples[-JUDGED:]:
            self._attention.update(sample)
        events = self._feed.events(self._event_seq)
        if events:
            self._event_seq = events[-1].seq
        return self._frame(latest, fresh, events, anew=anew)

    def includes(self, tick: Sample) -> bool:
        """Return True if a tick is the newest that :meth:`update` has processed."""
        return (tick.epoch, tick.seq) == (self._timeline.epoch, self._timeline.seq)

    def whole(self) -> TickUpdate:
        """Return the update for a new viewer, with the points and marks of recent ticks.

        The update includes no tick that is newer than the last call of :meth:`update`.
        """
        points = self._timeline.points
        begin = points[-1].time - LIVE * 1e3 if points else 0.0
        latest = next(
            (
                s
                for s in reversed(self._feed.samples(max(0, self._timeline.seq - 1)))
                if s.seq <= self._timeline.seq
            ),
            None,
        )
        events = [e for e in self._feed.events() if e.seq <= self._event_seq]
        shown = [point for point in points if point.time >= begin]
        return self._frame(latest, shown, events, anew=True)

    def _frame(
        self,
        latest: Sample | None,
        points: Sequence[Point],
        events: Sequence[Event],
        *,
        anew: bool,
    ) -> TickUpdate:
        feed = self._feed
        return TickUpdate(
            epoch=latest.epoch if latest else "",
            seq=latest.seq if latest else 0,
            time=latest.time if latest else None,
            now=feed.now(),
            node=feed.status.node,
            source=source_text(feed),
            status=self._tracker.assess(feed),
            anew=anew,
            points=rounded(points),
            tiles=recent_tiles(feed, self._timeline.seq) if latest else (),
            attention=Matters(
                rules=len(self._attention.rules),
                well_since=self._attention.well_since,
                matters=[_matter(matter) for matter in self._attention.matters],
            ),
            counts={
                "connections": latest.open if latest else None,
                "channels": len(feed.channels()) if latest else None,
                "socketio": len(feed.socketio()) if latest else None,
            },
            marks=_marks(events),
            replay=self.replay,
        )


def source_text(feed: Feed) -> str:
    """Return the name of a feed's server process and the feed's address, for display."""
    node, source = feed.status.node, feed.status.source
    return f"{node} · {source}" if node and source not in node else node or source


def recent_tiles(feed: Feed, seq: int) -> list[Tile]:
    """Return a feed's tiles, computed from its latest Samples.

    Args:
        feed: the feed.
        seq: number of the newest Sample; the TILE_SAMPLES Samples up to it are used.
    """
    return tiles(feed.samples(max(0, seq - TILE_SAMPLES)), feed.snapshot())


def _recent(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return those of the given Samples from which the points of an update are computed."""
    begin = samples[-1].time - LIVE - RTT_WINDOW if samples else 0.0
    return [sample for sample in samples if sample.time >= begin]


def rounded(points: Sequence[Point]) -> list[list[float | None]]:
    """Convert points to columns, one list for each of :data:`rtmon.views.chart_points.COLUMNS`.

    Values are rounded to five significant digits; unknown values are None.
    """
    drawn = columns(points)
    values = [
        [None if value != value else float(f"{value:.5g}") for value in drawn[key]]  # noqa: PLR0124 - NaN
        for key in COLUMNS[2:]
    ]
    return [list(drawn["seq"]), [round(time) for time in drawn["time"]], *values]


def _matter(matter: Matter) -> dict[str, object]:
    rule = matter.rule
    return {
        "key": rule.key,
        "title": rule.title,
        "severity": rule.severity,
        "whom": matter.whom,
        "since": matter.since,
        "page": rule.table,
        "where": rule.query,
        "sort": rule.sort,
    }


def _marks(events: Sequence[Event]) -> list[Mark]:
    notable = [event for event in events if event.kind not in _COMMON]
    return [
        Mark(
            time=round(event.time * 1e3),
            kind=event.kind,
            text=" · ".join(filter(None, _words(event))),
        )
        for event in notable[-MARKS:]
    ]


def _words(event: Event) -> tuple[str | None, ...]:
    code = "" if event.code is None else str(event.code)
    return event.name or event.connection, code, event.detail
