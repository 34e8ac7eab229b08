"""Queries that a view can send to a feed, and their answers: records only.

A query is answered by ``await feed.query(query)``: bounded, cancellable, and never on the event
loop of the server that is watched. Each row names its node and epoch, so that an
answer can span a restart of the server, and later several servers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from ..metrics.columns import CONNECTION, SAMPLE, TABLES, names
from ..metrics.records import ConnectionInfo, Event

__all__ = [
    "EXTREME_COLUMNS",
    "GROUP_KEYS",
    "LEVELS",
    "MOST_ROWS",
    "SERIES_COLUMNS",
    "Capabilities",
    "DetailAnswer",
    "DetailQuery",
    "Extremes",
    "Gap",
    "Group",
    "GroupAnswer",
    "GroupKey",
    "GroupQuery",
    "MembersAnswer",
    "MembersQuery",
    "Query",
    "Row",
    "RowsAnswer",
    "RowsQuery",
    "SeriesAnswer",
    "SeriesQuery",
    "Source",
    "Table",
]

LEVELS = (1, 10, 60)
"""Resolutions of a series: how many ticks one point stands for."""

MOST_ROWS = 50_000
"""Maximum number of rows of an answer, whatever the query's limit."""

SERIES_COLUMNS: tuple[str, ...] = tuple(
    column.name
    for column in SAMPLE
    if column.kind in {"counter", "gauge"} and column.name not in {"seq", "elapsed"}
)
"""Columns that a series can have: counters, gauges and quantiles of the samples table."""

EXTREME_COLUMNS: tuple[str, ...] = tuple(
    column.name for column in SAMPLE if column.name in SERIES_COLUMNS and not column.derived
)
"""Those with extremes within a point; quantiles are exact and have none."""

Table = Literal["connections", "events", "channels", "socketio", "latencies", "addresses"]
"""Tables that a :class:`RowsQuery` can ask for."""

GroupKey = Literal["path", "user", "address", "transport", "cause"]
"""What connections can be grouped by; ``address`` is the IPv4 address or the IPv6 /64 network."""

GROUP_KEYS: tuple[GroupKey, ...] = ("path", "user", "address", "transport", "cause")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """A query for columns of the samples table over a range of time.

    Attributes:
        columns: names out of :data:`SERIES_COLUMNS`; all of them if empty.
        since: begin of the range, Unix seconds of the server's wall clock; None for all there is.
        until: end of the range; None for now.
        level: ticks for each point, one of :data:`LEVELS`; None for the finest that gives at
            most ``points`` points, or the coarsest there is.
        points: maximum number of points if ``level`` is None.
        merge: True for one point that stands for the whole range, with exact quantiles.
        extremes: True for the lowest and highest values within points of several ticks, too.
        node: the server process; None for the only one.
    """

    columns: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    level: int | None = None
    points: int = 2000
    merge: bool = False
    extremes: bool = False
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsQuery:
    """A query for rows of a table: condition, order, offset and limit.

    Attributes:
        table: see :data:`Table`.
        where: a condition in the query language, see :mod:`rtmon.feeds.query_language`; "" for all.
        sort: the column to sort by; rows in which it is null come last in either order. ""
            for the order in which the source has them.
        descending: True for the greatest first.
        offset: number of rows to skip.
        limit: maximum number of rows.
        since: leave out events and closed connections before this time, Unix seconds.
        until: leave out events and connections opened after this time.
        node: the server process; None for the only one.
    """

    table: Table = "connections"
    where: str = ""
    sort: str = ""
    descending: bool = True
    offset: int = 0
    limit: int = 100
    since: float | None = None
    until: float | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """A query for connections grouped by path, user, address, transport or cause, with sums.

    Attributes:
        by: see :data:`GroupKey`.
        where: a condition in the query language; "" for all connections.
        sort: ``open``, ``closed``, ``key`` or a column of :attr:`Group.sums` or
            :attr:`Group.greatest`.
        descending: True for the greatest first.
        limit: maximum number of groups; the others are summed in :attr:`GroupAnswer.others`.
        node: the server process; None for the only one.
    """

    by: GroupKey
    where: str = ""
    sort: str = "open"
    descending: bool = True
    limit: int = 100
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailQuery:
    """A query for all details of one connection.

    A live source then measures an open connection more closely for a minute.

    Attributes:
        connection: its id.
        epoch: the epoch that the id is of; None for the newest.
        node: the server process; None for the only one.
    """

    connection: str
    epoch: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersQuery:
    """The connections that are in a channel or room of the hub.

    Attributes:
        channel: as the channels table has it: ``channel:NAME``, ``room:NAME`` or ``chat``.
        limit: maximum number of connections.
        node: the server process; None for the only one.
    """

    channel: str
    limit: int = 100
    node: str | None = None


Query = SeriesQuery | RowsQuery | GroupQuery | DetailQuery | MembersQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The newest tick that an answer includes.

    Attributes:
        node: name of the server process; "" before it is known.
        epoch: the epoch of that tick; "" before the first.
        seq: its number; 0 before the first.
        time: when it was, Unix seconds; 0.0 before the first.
    """

    node: str = ""
    epoch: str = ""
    seq: int = 0
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of time without numbers.

    Attributes:
        since: begin, Unix seconds.
        until: end, Unix seconds.
        reason: the reason in words, such as "the server restarted".
    """

    since: float
    until: float
    reason: str


Extremes = tuple[Sequence[float | None], Sequence[float | None]]
"""The lowest and the highest value within each point of a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """A series, column by column, oldest point first.

    Attributes:
        source: the newest tick included.
        level: ticks that one point stands for; 0 if the range was merged into one point.
        epochs: for each point its epoch.
        seqs: for each point the number of the last tick in it.
        times: for each point the time of that tick, Unix seconds.
        elapsed: for each point the seconds that it stands for; rates divide by it.
        ticks: for each point its number of ticks; fewer than ``level`` at the end of an epoch, or
            where the source began to record in between.
        columns: for each column asked for a list with the value of each point.
        gaps: stretches within the range without numbers.
        extremes: for each of :data:`EXTREME_COLUMNS` that was asked for, a list with the lowest
            and one with the highest value within each point, of a counter per second. They are
            of single ticks where the source still has these, else of tens of them; empty if they
            were not asked for, or the points are single ticks.
    """

    source: Source
    level: int
    epochs: Sequence[str]
    seqs: Sequence[int]
    times: Sequence[float]
    elapsed: Sequence[float]
    ticks: Sequence[int]
    columns: Mapping[str, Sequence[float | None]]
    gaps: Sequence[Gap] = ()
    extremes: Mapping[str, Extremes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


class Row(NamedTuple):
    """One row of a table, with its server process and epoch."""

    node: str
    epoch: str
    record: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAnswer:
    """Rows of a table.

    Attributes:
        source: the newest tick included.
        table: see :data:`Table`.
        rows: the rows asked for.
        total: number of rows that meet the condition.
        kept: number of closed connections or events that the source remembers.
        forgotten: number that it has dropped; None if unknown.
        gaps: of connections and events, stretches within the range of which some may be missing.
    """

    source: Source
    table: Table
    rows: Sequence[Row]
    total: int
    kept: int = 0
    forgotten: int | None = None
    gaps: Sequence[Gap] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of connections with the same path, user, address, transport or cause.

    Attributes:
        key: the common value; None for connections where it is unknown.
        open: number of open connections.
        closed: number of remembered closed connections.
        sums: counter columns and ``send_queue`` of the connections table, added up; null if
            it is known of none.
        greatest: the greatest ``rtt``, ``rtt_p99`` and ``queue_age`` of the open ones; null if
            none is known.
    """

    key: str | None
    open: int
    closed: int
    sums: Mapping[str, int | None]
    greatest: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAnswer:
    """Groups of connections.

    Attributes:
        source: the newest tick included.
        groups: the groups asked for.
        total: number of groups.
        others: the groups beyond the limit merged into one with the key None; None without any.
    """

    source: Source
    groups: Sequence[Group]
    total: int
    others: Group | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailAnswer:
    """Everything that is known of one connection.

    Attributes:
        source: the newest tick included.
        info: its row in the connections table; None if the source does not know the connection.
        events: the Events about it, oldest first.
        series: its numbers over time, empty unless it was looked at or among the most notable.
        headers: the request headers of its handshake, redacted; None if not known.
        rooms: the channels and rooms of the hub that it is in; None if there is no hub.
        frames: its last frames, oldest first, one line each; None if not known.
        missing: part that is unknown → reason in words.
    """

    source: Source
    info: ConnectionInfo | None
    events: Sequence[Event] = ()
    series: SeriesAnswer | None = None
    headers: Sequence[tuple[str, str]] | None = None
    rooms: Sequence[str] | None = None
    frames: Sequence[str] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersAnswer:
    """The connections that are in a channel or room.

    Attributes:
        source: the newest tick included.
        members: their rows of the connections table, in the order in which they came.
        total: how many there are; None if that is not known.
        missing: why they are not known, in words; "" if they are.
    """

    source: Source
    members: Sequence[ConnectionInfo] = ()
    total: int | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The capabilities of a source.

    Attributes:
        live: True if new ticks come.
        levels: resolutions of its series, out of :data:`LEVELS`.
        tables: tables that it has rows of.
        details: True if it can be asked for one connection's series, headers, rooms and frames.
        replay: True for a recording, whose shown moment can be moved.
        since: the time of its oldest numbers, Unix seconds; None if it has none.
        limits: the queries that it cannot answer, and why, one sentence each.
    """

    live: bool
    levels: Sequence[int] = LEVELS
    tables: Sequence[Table] = get_args(Table)
    details: bool = False
    replay: bool = False
    since: float | None = None
    limits: Sequence[str] = ()


CONNECTION_COLUMNS = names(CONNECTION)
"""Columns of the connections table, the derived ones included."""

TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    table: names(TABLES[table]) for table in get_args(Table)
}
"""Columns of each table that can be sorted by and named in a condition."""
