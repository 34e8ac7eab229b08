"""The update of one tick: all numbers of a feed that every page of the dashboard shows."""

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
"""Seconds of points in the update for a new viewer."""

TILE_SAMPLES = 600
"""Number of Samples for the tiles: two minutes, even with five ticks a second."""

JUDGED = 90
"""Number of Samples evaluated when a feed is first shown, to detect lasting problems."""

MARKS = 100
"""Maximum number of Events marked on charts."""

_COMMON = frozenset({"opened", "closed"})
"""Kinds of Events that are too frequent to be marked."""


class Matters(Struct, frozen=True, kw_only=True):
    """The alerts of an update.

    Attributes:
        rules: number of evaluated rules.
        well_since: since when no rule has fired, Unix seconds; None while one has, or before the
            first Sample.
        matters: the rules that have fired, each with title, severity, affected part, start, and the
            page and query that show the affected rows.
    """

    rules: int
    well_since: float | None
    matters: Sequence[Mapping[str, object]]


class Mark(Struct, frozen=True, kw_only=True):
    """An Event marked on the charts.

    Attributes:
        time: milliseconds since 1970.
        kind: of the Event.
        text: its description.
    """

    time: float
    kind: str
    text: str


class ReplayState(Struct, frozen=True, kw_only=True):
    """The replay position of a viewer of a recording.

    Attributes:
        begin: time of its first tick, Unix seconds.
        end: time of its last tick, which grows while it is being recorded.
        at: the shown moment; None for the end.
        speed: playback speed; 0 while paused.
        turn: number of the viewer's last completed seek request.
        limits: limits of a recording, one sentence each.
    """

    begin: float
    end: float
    at: float | None
    speed: float
    turn: int
    limits: Sequence[str]


class TickUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers of one tick.

    Attributes:
        epoch: of the tick; "" before the first.
        seq: its number; 0 before the first.
        time: when it was, Unix seconds of the server's clock; None before the first.
        now: the server's clock when the update was made.
        node: name of the server process.
        source: name of the source for users.
        status: how fresh they are.
        anew: True if the page must replace its points.
        points: for each of :data:`rtmon.views.chart_points.COLUMNS` the values of the new points;
            of all points of the last :data:`LIVE` seconds, if ``anew``.
        tiles: the tiles; empty before the first tick.
        attention: the alerts.
        counts: page → its number of rows; null if unknown.
        marks: Events since the previous update, to be marked on the charts.
        replay: the replay position, for a recording.
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
    """Makes the updates of one feed.

    Args:
        feed: the feed to show.

    Attributes:
        replay: the replay position, for a recording.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._tracker = FreshnessTracker()
        self._timeline = Timeline()
        self._attention = Attention()
        self._event_seq = 0
        self.replay: ReplayState | None = None

    def update(self) -> TickUpdate:
        """Collect and return the new numbers."""
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
        """Return True if a tick has been taken in, as the newest."""
        return (tick.epoch, tick.seq) == (self._timeline.epoch, self._timeline.seq)

    def whole(self) -> TickUpdate:
        """Return the complete update for a new viewer, with all points and marks."""
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
    """Return the name of a feed's server process, and its address."""
    node, source = feed.status.node, feed.status.source
    return f"{node} · {source}" if node and source not in node else node or source


def recent_tiles(feed: Feed, seq: int) -> list[Tile]:
    """Return the tiles as of the Sample with this number."""
    return tiles(feed.samples(max(0, seq - TILE_SAMPLES)), feed.snapshot())


def _recent(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Drop the Samples without points in any update."""
    begin = samples[-1].time - LIVE - RTT_WINDOW if samples else 0.0
    return [sample for sample in samples if sample.time >= begin]


def rounded(points: Sequence[Point]) -> list[list[float | None]]:
    """Return points column by column, rounded to visible digits; None for unknown values."""
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
