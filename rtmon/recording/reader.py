"""Answer queries from a recording's file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import QueryError
from ..feeds import conditions, rows, series
from ..feeds.memory import RESTARTED
from ..feeds.queries import (
    LEVELS,
    MOST_ROWS,
    DetailAnswer,
    DetailQuery,
    GroupAnswer,
    GroupQuery,
    MembersAnswer,
    MembersQuery,
    Query,
    Row,
    RowsAnswer,
    RowsQuery,
    SeriesAnswer,
    SeriesQuery,
    Source,
)
from ..metrics.columns import ENDING
from ..metrics.derived import light_record
from ..metrics.history import merge
from ..metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot
from . import schema
from .database import as_os_error, open_reader, reading, scalar
from .packing import unpack_sample, unpack_snapshot

__all__ = ["Epoch", "Moment", "Reader"]

_INFO = tuple(name for name in schema.CONNECTION_ROW if name != "epoch")
_GROUPED = (
    *rows.SUMS,
    *rows.GREATEST,
    *("path", "user", "remote", "transport", "state", "closed", "opened"),
)
_TABLES = ("open_connections", "connections")

_ORDER = {
    "open_connections": ("opened", "length(id)", "id"),
    "connections": ("closed", "length(id)", "id"),
}
"""Order of rows, oldest first; of those of one moment, by the number in the id."""

CLOSED_SHOWN = 1000
"""Closed connections that the live half of a feed shows, as many as a Monitor keeps."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of a server in a recording.

    Attributes:
        id: its number in the file.
        node: the server process.
        epoch: its name.
        wall: when recording it began, Unix seconds.
        ended: when it ended; None while it is recorded.
    """

    id: int
    node: str
    epoch: str
    wall: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened in a part of a recording, to be marked on it.

    Attributes:
        time: of the Event that stands for the part, Unix seconds.
        kind: of that Event; ``restart`` where the server was started anew.
        text: what happened.
        others: how many further Events the part has.
    """

    time: float
    kind: str
    text: str
    others: int = 0


class Reader:
    """Reads a recording, finished or not; each method may be called on any thread.

    No statement's transaction outlives the method.

    Args:
        path: the file.

    Raises:
        FileFormatError: it is no recording, is damaged, or was written by a newer release. Each
            method raises it, too, where the damage is.
        OSError: it is not there or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_reader(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _all(self, statement: str, *values: Any) -> list[Any]:
        with self._lock, reading(self.path):
            return self._db.execute(statement, values).fetchall()

    def _plain(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Select as :meth:`_all`, with rows that cost less."""
        with self._lock, reading(self.path):
            cursor = self._db.cursor()
            cursor.row_factory = None
            return cursor.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: Any) -> Any:
        with self._lock, reading(self.path):
            return scalar(self._db, statement, *values)

    def epochs(self) -> list[Epoch]:
        """Return the epochs, oldest first."""
        found = self._all("SELECT id, node, epoch, wall, ended FROM epochs ORDER BY wall, id")
        return [Epoch(*row) for row in found]

    def span(self) -> tuple[float, float] | None:
        """Return the times of the first and the last tick, Unix seconds; None without any."""
        begins = [self._one("SELECT min(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        ends = [self._one("SELECT max(time) FROM samples WHERE level = ?", n) for n in LEVELS]
        known = [time for time in begins if time is not None]
        return (min(known), max(time for time in ends if time is not None)) if known else None

    def samples(
        self,
        *,
        level: int,
        since: float | None = None,
        until: float | None = None,
        epoch: int | None = None,
        after: int = 0,
        limit: int = MOST_ROWS,
    ) -> list[series.Point]:
        """Return Samples with their histograms, oldest first.

        Args:
            level: ticks of each, one of :data:`rtmon.feeds.queries.LEVELS`.
            since: Unix seconds, included; None for the beginning.
            until: Unix seconds, included; None for the end.
            epoch: id of the epoch; None for all.
            after: with ``epoch``: leave out Samples up to this number.
            limit: how many at most.
        """
        names = {each.id: (each.node, each.epoch) for each in self.epochs()}
        points = []
        for row in self._all(
            "SELECT s.*, h.packed FROM samples s JOIN histograms h USING (level, epoch, seq) "
            "WHERE s.level = ? AND s.time BETWEEN ? AND ? AND s.epoch = ifnull(?, s.epoch) "
            "AND s.seq > ? ORDER BY s.epoch, s.seq LIMIT ?",
            *(level, *_range(since, until), epoch, after, limit),
        ):
            node, name = names[row["epoch"]]
            with reading(self.path):
                sample = unpack_sample(node, name, row["seq"], row, row["packed"])
            points.append(series.Point(sample, row["ticks"]))
        return points

    def finest(self, since: float | None) -> int:
        """Return the finest resolution that reaches back to a time, or as far as any does."""
        firsts = {}
        for level in LEVELS:
            first = self._one("SELECT min(time) FROM samples WHERE level = ?", level)
            if first is not None:
                firsts[level] = (first, 0)
        return series.choose_level(SeriesQuery(since=since), firsts)

    def batches(
        self, table: str, *, since: float | None, until: float | None, size: int
    ) -> Iterator[list[Any]]:
        """Yield all events, or all connections, of a range, oldest first, some at a time.

        Connections come in the order of their ids, the closed ones of an epoch first.
        """
        begin, end = _range(since, until)
        for epoch in self.epochs():
            if table == "events":
                pages = self._pages(
                    "SELECT * FROM events WHERE epoch = ? AND time BETWEEN ? AND ? AND seq > ? "
                    "ORDER BY seq LIMIT ?",
                    (epoch.id, begin, end),
                    key="seq",
                    size=size,
                )
                for page in pages:
                    yield [_record(Event, row) for row in page]
                continue
            for place in reversed(_TABLES):
                pages = self._pages(
                    f"SELECT c.*, b.traceback, b.last_frames FROM {place} c "  # noqa: S608
                    "LEFT JOIN blackboxes b USING (epoch, id) WHERE epoch = ? AND opened <= ? "
                    "AND (closed IS NULL OR closed >= ?) AND id > ? ORDER BY id LIMIT ?",
                    (epoch.id, end, begin),
                    key="id",
                    size=size,
                )
                for page in pages:
                    infos = [_record(ConnectionInfo, row) for row in page]
                    yield [self._as_of(epoch.id, info, None) for info in infos]

    def _pages(
        self, statement: str, values: tuple[Any, ...], *, key: str, size: int
    ) -> Iterator[list[Any]]:
        """Yield what a statement selects, whose last two values are a key and a limit."""
        after: Any = "" if key == "id" else 0
        while page := self._all(statement, *values, after, size):
            yield page
            after = page[-1][key]

    def copy(self, to: Path) -> None:
        """Copy the whole recording, which may be written meanwhile, into another file.

        It appears under its name only when it is whole.

        Raises:
            OSError: the file cannot be written.
        """
        partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
        with as_os_error(to):
            copy = sqlite3.connect(partial, isolation_level=None)
            try:
                with self._lock:
                    self._db.backup(copy, pages=1024)
                copy.execute("PRAGMA journal_mode = DELETE")
            except BaseException:
                copy.close()
                partial.unlink(missing_ok=True)
                raise
            copy.close()
        partial.replace(to)

    def snapshot(self, at: float | None = None) -> Snapshot | None:
        """Return the totals as of a time, Unix seconds; None before the first tick.

        Where single ticks are no longer kept, they are those of up to a minute before.
        """
        epoch = self.epoch_at(at)
        if epoch is None:
            return None
        stored = self._all(
            "SELECT seq, packed FROM totals WHERE epoch = ? AND time <= ? "
            "ORDER BY seq DESC LIMIT 1",
            *(epoch.id, _range(None, at)[1]),
        )
        if not stored:
            return None
        with reading(self.path):
            base = unpack_snapshot(epoch.node, epoch.epoch, *stored[0])
        later = self.samples(level=1, until=at, epoch=epoch.id, after=base.seq)
        return _added(base, [point.sample for point in later])

    def epoch_at(self, at: float | None) -> Epoch | None:
        """Return the epoch that a time falls into, or the last one before it."""
        epochs = [each for each in self.epochs() if at is None or each.wall - 1.0 <= at]
        return epochs[-1] if epochs else None

    def source(self, at: float | None = None) -> Source:
        """Return what answers are as of: the last tick up to a time."""
        epoch = self.epoch_at(at)
        if epoch is None:
            return Source()
        for level in LEVELS:
            found = self._all(
                "SELECT seq, time FROM samples WHERE level = ? AND epoch = ? AND time <= ? "
                "ORDER BY seq DESC LIMIT 1",
                *(level, epoch.id, _range(None, at)[1]),
            )
            if found:
                seq, time = found[0]
                return Source(node=epoch.node, epoch=epoch.epoch, seq=seq, time=time)
        return Source(node=epoch.node, epoch=epoch.epoch)

    def answer(
        self, query: Query, *, at: float | None = None
    ) -> SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer:
        """Answer a query as of a time.

        Args:
            query: the query.
            at: Unix seconds: nothing later is in the answer. None for the end.

        Raises:
            QueryError: the query is wrong.
        """
        if at is not None and not isinstance(query, GroupQuery | DetailQuery | MembersQuery):
            query = replace(query, until=at if query.until is None else min(at, query.until))
        match query:
            case SeriesQuery():
                return self._series(query, self.source(at))
            case RowsQuery():
                return self._rows(query, self.source(at), at)
            case GroupQuery():
                names = (*_GROUPED, *conditions.parse(query.where).columns)
                found = self._light(names, None, None, at, query.node)
                return rows.groups(query, self.source(at), found)
            case DetailQuery():
                return self._detail(query, self.source(at), at)
            case MembersQuery():
                return MembersAnswer(source=self.source(at), missing=NOT_RECORDED)

    def _series(self, query: SeriesQuery, source: Source) -> SeriesAnswer:
        columns = series.check(query)
        if query.merge:
            return series.answer(source, 0, columns, self._merged(query))
        bounds = _range(query.since, query.until)
        held = {}
        for level in LEVELS:
            first = self._one("SELECT min(time) FROM samples WHERE level = ?", level)
            if first is not None:
                count = "SELECT count(*) FROM samples WHERE level = ? AND time BETWEEN ? AND ?"
                held[level] = (first, self._one(count, level, *bounds))
        level = series.choose_level(query, held)
        names = {each.id: (each.node, each.epoch) for each in self.epochs()}
        selected = ", ".join(f'"{name}"' for name in columns)
        found = self._all(
            f"SELECT epoch, seq, time, elapsed, ticks, {selected} FROM samples "  # noqa: S608
            "WHERE level = ? AND time BETWEEN ? AND ? ORDER BY epoch, seq LIMIT ?",
            *(level, *bounds, MOST_ROWS),
        )
        if query.node is not None:
            found = [row for row in found if names[row[0]][0] == query.node]
        width = 5 + len(columns)
        table = [list(column) for column in zip(*found, strict=True)] or [[] for _ in range(width)]
        ids, seqs, times, elapsed, ticks, *values = table
        epochs = [names[each][1] for each in ids]
        return SeriesAnswer(
            source=source,
            level=level,
            epochs=epochs,
            seqs=seqs,
            times=times,
            elapsed=elapsed,
            ticks=ticks,
            columns=dict(zip(columns, values, strict=True)),
            gaps=list(series.gaps(zip(epochs, seqs, times, elapsed, ticks, strict=True))),
        )

    def _merged(self, query: SeriesQuery) -> list[series.Point]:
        """Merge the range into one point, of the finest that is kept of each part."""
        chosen: list[series.Point] = []
        for epoch in self.epochs():
            if query.node is not None and epoch.node != query.node:
                continue
            begin = None
            for level in LEVELS:
                found = self.samples(
                    level=level, since=query.since, until=query.until, epoch=epoch.id
                )
                kept = [p for p in found if begin is None or p.sample.seq < begin]
                if kept:
                    begin = kept[0].sample.seq - kept[0].ticks + 1
                    chosen = kept + chosen if begin else chosen
        if not chosen:
            return []
        chosen.sort(key=lambda point: (point.sample.time, point.sample.seq))
        merged = merge([point.sample for point in chosen])
        return [series.Point(merged, sum(point.ticks for point in chosen))]

    def _rows(self, query: RowsQuery, source: Source, at: float | None) -> RowsAnswer:
        if query.table == "connections":
            return self._connections(query, source, at)
        names = {each.id: (each.node, each.epoch) for each in self.epochs()}
        if query.table == "events":
            found = self._all(
                "SELECT * FROM events WHERE time BETWEEN ? AND ? "
                "ORDER BY epoch DESC, seq DESC LIMIT ?",
                *(*_range(query.since, query.until), 4 * MOST_ROWS),
            )
            table = [Row(*names[each["epoch"]], _record(Event, each)) for each in found]
            kept = self._one("SELECT count(*) FROM events")
            first = self._all("SELECT min(seq) FROM events GROUP BY epoch")
            lost = sum(seq - 1 for (seq,) in first)
            return rows.rows(query, source, _of(query.node, table), rows.Remembered(kept, lost))
        table = []
        if query.table in NOT_RECORDED_TABLES:
            raise QueryError(f"{query.table} are not recorded")
        if query.table == "channels" and (epoch := self.epoch_at(at)) is not None:
            found = self.channels(epoch=epoch.id)
            table = [Row(epoch.node, epoch.epoch, channel) for channel in found]
        return rows.rows(query, source, _of(query.node, table), rows.Remembered())

    def _connections(self, query: RowsQuery, source: Source, at: float | None) -> RowsAnswer:
        """Filter and sort by the columns that are needed, then read whole rows of the page."""
        rows.check_slice(query)
        needed = set(conditions.parse(query.where, "connections").columns)
        if query.sort:
            needed.update(conditions.reads("connections", query.sort))
        table = self._light(needed, query.since, query.until, at, query.node)
        closed = sum(row.record.state == "closed" for row in table)
        answer = rows.rows(query, source, table, rows.Remembered(closed, None))
        names = {each.id: (each.node, each.epoch) for each in self.epochs()}
        page = [
            Row(*names[int(row.epoch)], self._info(row.node, int(row.epoch), row.record.id, at))
            for row in answer.rows
        ]
        return replace(answer, rows=page, forgotten=self._forgotten(source, at))

    def _forgotten(self, source: Source, at: float | None) -> int:
        snapshot, epoch = self.snapshot(at), self.epoch_at(at)
        if snapshot is None or epoch is None:
            return 0
        known = self._one(
            "SELECT count(*) FROM connections WHERE epoch = ? AND role = 'server' AND closed <= ?",
            *(epoch.id, _range(None, at)[1]),
        )
        return max(0, snapshot.closed - known) if source.epoch == epoch.epoch else 0

    def _light(
        self,
        columns: Iterable[str],
        since: float | None,
        until: float | None,
        at: float | None,
        node: str | None,
    ) -> list[Row]:
        """Read some columns of all connections of a range.

        The newest epoch comes first, in it the open ones, as in a live feed. Each row has the
        table that it is in and the id of the epoch in the place of node and epoch.
        """
        boxes = set(columns) & set(schema.BLACKBOX)
        names = sorted({*columns, "id", "opened", "closed", "state"} - set(schema.BLACKBOX))
        record = light_record(tuple(names))
        begin, end = _range(since, until if at is None else min(at, until or at))
        selected = ", ".join(f'"{name}"' for name in names)
        epochs = self.epochs()
        found = []
        for number, epoch in reversed(list(enumerate(epochs))):
            if node is not None and epoch.node != node:
                continue
            over = epoch.ended if number < len(epochs) - 1 else None
            where = str(epoch.id)
            for table in _TABLES:
                made: Iterable[Any] = map(
                    record._make,
                    self._plain(
                        f"SELECT {selected} FROM {table} WHERE epoch = ? "  # noqa: S608
                        "AND opened <= ? AND (closed IS NULL OR closed >= ?) "
                        f"ORDER BY {', '.join(_ORDER[table])}",
                        *(epoch.id, end, begin),
                    ),
                )
                if boxes:
                    made = [self._info(table, epoch.id, each.id, at) for each in made]
                elif at is not None or over is not None:
                    made = [
                        each._replace(**_changes(each, at, over, each._fields)) for each in made
                    ]
                found += [Row(table, where, each) for each in made]
        return found

    def connections(self, *, epoch: int, at: float | None = None) -> list[ConnectionInfo]:
        """Return the connections of an epoch as of a time: the open ones, then the closed ones.

        Of those that have closed only the latest :data:`CLOSED_SHOWN` are returned.
        """
        found = []
        begin, end = _range(None, at)
        for table, bound in zip(_TABLES, (MOST_ROWS, CLOSED_SHOWN), strict=True):
            order = ", ".join(f"{key} DESC" for key in _ORDER[table])
            found += reversed(
                self._all(
                    f"SELECT c.*, b.traceback, b.last_frames FROM {table} c "  # noqa: S608
                    "LEFT JOIN blackboxes b USING (epoch, id) WHERE epoch = ? "
                    f"AND opened BETWEEN ? AND ? ORDER BY {order} LIMIT ?",
                    *(epoch, begin, end, bound),
                )
            )
        return [self._as_of(epoch, _record(ConnectionInfo, row), at) for row in found]

    def _info(self, table: str, epoch: int, identity: str, at: float | None) -> ConnectionInfo:
        (row,) = self._all(
            f"SELECT c.*, b.traceback, b.last_frames FROM {table} c "  # noqa: S608
            "LEFT JOIN blackboxes b USING (epoch, id) WHERE epoch = ? AND id = ?",
            *(epoch, identity),
        )
        return self._as_of(epoch, _record(ConnectionInfo, row), at)

    def _as_of(self, epoch: int, info: ConnectionInfo, at: float | None) -> ConnectionInfo:
        """Return a row as it was at a time."""
        epochs = self.epochs()
        over = next((e.ended for e in epochs[:-1] if e.id == epoch), None)
        changes = _changes(info, at, over, ConnectionInfo.__dataclass_fields__)
        return replace(info, **changes) if changes else info

    def _detail(self, query: DetailQuery, source: Source, at: float | None) -> DetailAnswer:
        for epoch in reversed(self.epochs()):
            if query.epoch not in {None, epoch.epoch} or query.node not in {None, epoch.node}:
                continue
            for table in _TABLES:
                exists = f"SELECT 1 FROM {table} WHERE epoch = ? AND id = ?"  # noqa: S608
                if self._one(exists, epoch.id, query.connection):
                    return DetailAnswer(
                        source=source,
                        info=self._info(table, epoch.id, query.connection, at),
                        events=self._events_of(epoch.id, query.connection, at),
                        missing=dict.fromkeys(("series", "headers", "rooms"), NOT_RECORDED),
                    )
        return DetailAnswer(source=source, info=None)

    def _events_of(self, epoch: int, connection: str, at: float | None) -> list[Event]:
        found = self._all(
            "SELECT * FROM events WHERE epoch = ? AND connection = ? AND time <= ? ORDER BY seq",
            *(epoch, connection, _range(None, at)[1]),
        )
        return [_record(Event, row) for row in found]

    def channels(self, *, epoch: int) -> list[ChannelInfo]:
        """Return the channels of an epoch, as they were last."""
        found = self._all("SELECT * FROM channels WHERE epoch = ?", epoch)
        return [_record(ChannelInfo, row) for row in found]

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        epoch: int | None = None,
        after: int = 0,
    ) -> Iterator[tuple[int, Event]]:
        """Yield the Events of a range, oldest first, each with the id of its epoch.

        Args:
            since: Unix seconds, included; None for the beginning.
            until: Unix seconds, included; None for the end.
            epoch: id of the epoch; None for all.
            after: with ``epoch``: leave out Events up to this number.
        """
        for row in self._all(
            "SELECT * FROM events WHERE time BETWEEN ? AND ? AND epoch = ifnull(?, epoch) "
            "AND seq > ? ORDER BY epoch, seq",
            *(*_range(since, until), epoch, after),
        ):
            yield row["epoch"], _record(Event, row)

    def notable(self, parts: int = 120) -> list[Moment]:
        """Return what is worth a mark on the whole recording, oldest first.

        An Event stands for each part that has any, an error or a refusal before others; Events
        of connections that opened and closed are left out, restarts are all there.

        Args:
            parts: how many parts of equal length the recording is seen as.
        """
        span = self.span()
        if span is None:
            return []
        begin, width = span[0], max(1.0, (span[1] - span[0]) / parts)
        found = [
            Moment(time, kind, " · ".join(filter(None, (name, detail))), count - 1)
            for time, kind, name, detail, _, count in self._plain(
                "SELECT time, kind, ifnull(name, connection), detail, "
                "max(kind IN ('error', 'rejected')), count(*) FROM events "
                "WHERE kind NOT IN ('opened', 'closed') "
                "GROUP BY CAST((time - ?) / ? AS INTEGER) ORDER BY time",
                *(begin, width),
            )
        ]
        restarts = [
            Moment(epoch.wall, "restart", "The server was started anew.")
            for epoch in self.epochs()[1:]
        ]
        return sorted([*found, *restarts], key=lambda moment: moment.time)


NOT_RECORDED = "it is not recorded"

NOT_RECORDED_TABLES = frozenset({"socketio", "latencies", "addresses"})


def _range(since: float | None, until: float | None) -> tuple[float, float]:
    return (-1e18 if since is None else since, 1e18 if until is None else until)


def _record(kind: Any, row: Any) -> Any:
    """A record of a row; columns that an older file does not have keep their initial value."""
    known = set(row.keys())
    return kind(**{name: row[name] for name in kind.__dataclass_fields__ if name in known})


def _changes(
    row: Any, at: float | None, over: float | None, columns: Collection[str]
) -> dict[str, Any]:
    """What is to be changed of a row to have it as it was at a time.

    Args:
        row: the row, as it was last.
        at: the time; None for the end.
        over: when its epoch ended, if another one followed: then no connection is open any more.
        columns: the columns that the row has.
    """
    if at is not None and row.closed is not None and row.closed > at:
        changes: dict[str, Any] = {**_UNENDED, "state": "open"}
    elif row.closed is None and over is not None and (at is None or at >= over):
        changes = {"state": "closed", "closed": over, "cause": RESTARTED}
    else:
        changes = {}
    return {name: value for name, value in changes.items() if name in columns}


_UNENDED = dict.fromkeys((*ENDING, "closed", *schema.BLACKBOX))


def _of(node: str | None, table: Sequence[Row]) -> Sequence[Row]:
    return [row for row in table if node is None or row.node == node]


def _added(base: Snapshot, samples: Sequence[Sample]) -> Snapshot:
    """Add what later ticks counted to totals."""
    if not samples:
        return base
    as_sample = Sample(
        node=base.node,
        epoch=base.epoch,
        seq=base.seq,
        time=base.time,
        elapsed=base.uptime,
        **{name: getattr(base, name) for name in _TOTALLED},
    )
    total = merge([as_sample, *samples])
    last = samples[-1]
    rates = {name: rate for name in base.rates if (rate := last.rate(name)) is not None}
    return replace(
        base,
        seq=total.seq,
        time=total.time,
        uptime=total.elapsed,
        rates=rates,
        **{name: getattr(total, name) for name in _TOTALLED},
    )


_TOTALLED = tuple(
    name
    for name in Snapshot.__dataclass_fields__
    if name in Sample.__dataclass_fields__ and name not in {"node", "epoch", "seq", "time"}
)
