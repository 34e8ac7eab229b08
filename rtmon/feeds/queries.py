"""The records that describe a view's query to a feed, and the feed's answer.

``await feed.query(query)`` answers a query. The call can be cancelled, the size of the answer is
bounded, and the answer is never computed on the event loop of the monitored server. Each row has
the name of its node and epoch, so one answer can include rows from before and after a restart of
the server.
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
"""Resolutions of a series, as the number of ticks that are merged into one point."""

MOST_ROWS = 50_000
"""Maximum number of rows or points in an answer. A query cannot request more."""

SERIES_COLUMNS: tuple[str, ...] = tuple(
    column.name
    for column in SAMPLE
    if column.kind in {"counter", "gauge"} and column.name not in {"seq", "elapsed"}
)
"""Columns of the samples table that a :class:`SeriesQuery` can request.

These are all counters and gauges except ``seq`` and ``elapsed``. Quantiles such as ``rtt_p99`` are
included.
"""

EXTREME_COLUMNS: tuple[str, ...] = tuple(
    column.name for column in SAMPLE if column.name in SERIES_COLUMNS and not column.derived
)
"""Columns for which a :class:`SeriesQuery` can request the minimum and maximum within each point.

Quantiles are not among them, since a merged point has the exact quantile of all its ticks.
"""

Table = Literal["connections", "events", "channels", "socketio", "latencies", "addresses"]
"""Tables from which a :class:`RowsQuery` can request rows."""

GroupKey = Literal["path", "user", "address", "transport", "cause"]
"""Properties by which a :class:`GroupQuery` can group connections.

``address`` is the peer's IPv4 address or its IPv6 /64 network.
"""

GROUP_KEYS: tuple[GroupKey, ...] = ("path", "user", "address", "transport", "cause")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """A query for columns of the samples table over a range of time.

    Attributes:
        columns: some of :data:`SERIES_COLUMNS`; if empty, all of them.
        since: start of the range, in Unix seconds by the server's clock; None for the oldest
            data that the source still has.
        until: end of the range, in Unix seconds; None for now.
        level: resolution, one of :data:`LEVELS`. None selects the finest resolution that needs
            at most ``points`` points, or the coarsest one if all need more.
        points: maximum number of points if ``level`` is None.
        merge: True to merge the whole range into one point, with exact quantiles.
        extremes: True to add the minimum and maximum value within each point of several ticks.
        node: name of the server process; None if the feed reads only one.
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
        where: a condition in the language of :mod:`rtmon.feeds.query_language`; "" for all rows.
        sort: the column to sort by. Rows with null in this column come last in either order.
            "" keeps the order of the source.
        descending: True to sort in descending order.
        offset: number of rows to skip.
        limit: maximum number of rows.
        since: Unix time. Events before this time are omitted, and so are connections that closed
            before this time.
        until: Unix time. Events after this time are omitted, and so are connections that opened
            after this time.
        node: name of the server process; None if the feed reads only one.
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
    """A query for groups of connections: by path, user, address, transport or close cause.

    Attributes:
        by: see :data:`GroupKey`.
        where: a condition in the language of :mod:`rtmon.feeds.query_language`; "" for all
            connections.
        sort: ``open``, ``closed``, ``key`` or a column of :attr:`Group.sums` or
            :attr:`Group.greatest`.
        descending: True to sort in descending order.
        limit: maximum number of groups. The remaining groups are merged into
            :attr:`GroupAnswer.others`.
        node: name of the server process; None if the feed reads only one.
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

    If the connection is open, the query also makes the server record the connection's time series
    for the next minute. A recording cannot do this.

    Attributes:
        connection: id of the connection.
        epoch: epoch in which the connection got this id; None for the newest epoch.
        node: name of the server process; None if the feed reads only one.
    """

    connection: str
    epoch: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersQuery:
    """A query for the connections that are in a channel or room of the hub.

    Attributes:
        channel: name as in the channels table: ``channel:NAME``, ``room:NAME`` or ``chat``.
        limit: maximum number of connections.
        node: name of the server process; None if the feed reads only one.
    """

    channel: str
    limit: int = 100
    node: str | None = None


Query = SeriesQuery | RowsQuery | GroupQuery | DetailQuery | MembersQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The server and the tick that an answer comes from.

    Attributes:
        node: name of the server process; "" if the feed has not received it yet.
        epoch: epoch of the tick; "" before the first tick.
        seq: number of the tick in its epoch; 0 before the first tick.
        time: Unix time of the tick; 0.0 before the first tick.
    """

    node: str = ""
    epoch: str = ""
    seq: int = 0
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A period of time for which a feed has no measurements.

    Attributes:
        since: start of the period, Unix seconds.
        until: end of the period, Unix seconds.
        reason: text for the viewer, such as "the server restarted".
    """

    since: float
    until: float
    reason: str


Extremes = tuple[Sequence[float | None], Sequence[float | None]]
"""A list with the minimum within each point of a series, and a list with the maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """A series of points, column by column, oldest point first.

    Attributes:
        source: server and newest tick of the answer.
        level: number of ticks merged into one point; 0 if the whole range was merged into one.
        epochs: epoch of each point.
        seqs: number of the last tick in each point.
        times: Unix time of the last tick in each point.
        elapsed: duration of each point in seconds. A counter's increase is divided by this
            duration to get a rate.
        ticks: number of ticks in each point. A point has fewer than ``level`` ticks at the end of
            an epoch, or if a recording began in the middle of the point.
        columns: name of each requested column → list with the value of each point.
        gaps: periods within the range for which there are no measurements.
        extremes: minimum and maximum within each point, for the requested columns that are in
            :data:`EXTREME_COLUMNS`. Counters are given per second. The values are those of
            single ticks, or of ten merged ticks where the source no longer has single ticks.
            The mapping is empty if the query did not request extremes, or if each point is one
            tick.
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
    """One row of a table, with the server process (``node``) and the epoch that it belongs to."""

    node: str
    epoch: str
    record: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAnswer:
    """The answer to a :class:`RowsQuery`: rows of a table.

    Attributes:
        source: server and newest tick of the answer.
        table: see :data:`Table`.
        rows: the selected rows, after offset and limit were applied.
        total: number of rows that meet the condition, before offset and limit were applied.
        kept: number of closed connections, or of Events, that the source holds.
        forgotten: number of closed connections, or of Events, that the source no longer holds;
            None if unknown.
        gaps: periods within the range from which connections or Events may be missing.
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
        key: the path, user, address, transport or cause that the connections share; None for the
            group of connections whose value is unknown.
        open: number of open connections.
        closed: number of closed connections that the source still holds.
        sums: sum of each counter column, and of ``send_queue``, over the group's connections;
            None if the value is unknown for all of them.
        greatest: maximum of ``rtt``, ``rtt_p99`` and ``queue_age`` over the group's open
            connections; None if the value is unknown for all of them.
    """

    key: str | None
    open: int
    closed: int
    sums: Mapping[str, int | None]
    greatest: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAnswer:
    """The answer to a :class:`GroupQuery`: groups of connections.

    Attributes:
        source: server and newest tick of the answer.
        groups: the first groups in the requested order, up to the query's limit.
        total: number of all groups.
        others: all groups beyond the limit, merged into one group with the key None; None if the
            limit was not exceeded.
    """

    source: Source
    groups: Sequence[Group]
    total: int
    others: Group | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailAnswer:
    """The answer to a :class:`DetailQuery`: everything that the source knows of one connection.

    Attributes:
        source: server and newest tick of the answer.
        info: the connection's row in the connections table; None if the source no longer has it.
        events: Events about the connection, oldest first.
        series: the connection's time series. The server records points only in the minute
            after a query for the connection's details, and while the connection is one of the
            slowest or busiest.
        headers: request headers of the connection's handshake, redacted; None if unknown.
        rooms: channels and rooms of the hub that the connection is in; None if unknown.
        frames: the connection's last frames, oldest first, one line of text for each; None if
            unknown.
        missing: name of each field that is unknown → text that gives the reason.
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
    """The answer to a :class:`MembersQuery`: the connections in a channel or room.

    Attributes:
        source: server and newest tick of the answer.
        members: rows of the connections table for the members, up to the query's limit.
        total: number of all members; None if unknown.
        missing: text that explains why the members are unknown; "" if they are known.
    """

    source: Source
    members: Sequence[ConnectionInfo] = ()
    total: int | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The data that a feed has, and the queries that it can answer.

    Attributes:
        live: True if the feed receives new ticks.
        levels: resolutions in which series are available, out of :data:`LEVELS`.
        tables: tables that can be queried.
        details: True if a :class:`DetailQuery` can return series, headers, rooms and frames.
        replay: True for a recording, where the viewer can choose the moment to show.
        since: Unix time of the oldest measurements; None if there are none.
        limits: sentences for the viewer. Each names queries that the feed cannot answer, and why.
    """

    live: bool
    levels: Sequence[int] = LEVELS
    tables: Sequence[Table] = get_args(Table)
    details: bool = False
    replay: bool = False
    since: float | None = None
    limits: Sequence[str] = ()


CONNECTION_COLUMNS = names(CONNECTION)
"""Names of all columns of the connections table, derived columns included."""

TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    table: names(TABLES[table]) for table in get_args(Table)
}
"""Table → names of the columns that a query's condition and sort order may use."""
