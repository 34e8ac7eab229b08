"""Answer a feed's queries for series, rows, groups and details from the file of a recording."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..feeds import table_queries
from ..feeds.queries import (
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
from ..metrics.derived_values import light_record
from ..metrics.records import Event
from .connection_reader import IDS, NOT_RECORDED, ConnectionReader
from .readonly_file import Epoch, RecordingFile, bounds, record
from .sample_queries import SampleQueries
from .schema import EVENT_ROW
from .state_table_reader import StateReader

__all__ = ["QueryReader"]

_EVENT = EVENT_ROW[1:]
_EventRow = namedtuple("_EventRow", _EVENT)  # type: ignore[misc]  # noqa: PYI024


class QueryReader(RecordingFile):
    """Answers queries from a recording; arguments and errors are those of :class:`RecordingFile`.

    Attributes:
        points: reads the recording's Samples.
        connections: reads the recording's connections.
        tables: reads the channels, latencies, addresses and Socket.IO tables.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.points = SampleQueries(self)
        self.connections = ConnectionReader(self)
        self.tables = StateReader(self)

    def answer(
        self, query: Query, *, at: float | None = None
    ) -> SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer:
        """Answer a query with the recording's data at a moment.

        Args:
            query: the query, of any kind.
            at: the moment, Unix seconds; the answer ignores later Samples and Events. None for the
                end of the recording.

        Raises:
            QueryError: the query has an error, such as an unknown column.
        """
        if at is not None and isinstance(query, SeriesQuery | RowsQuery):
            query = replace(query, until=at if query.until is None else min(at, query.until))
        source = self.source(at)
        match query:
            case SeriesQuery():
                return self.points.series(query, source)
            case RowsQuery():
                return self._rows(query, source, at)
            case GroupQuery():
                return self.connections.groups(query, source, at)
            case DetailQuery():
                return self.connections.detail(query, source, at)
            case MembersQuery():
                return MembersAnswer(source=source, missing=NOT_RECORDED)

    def _rows(self, query: RowsQuery, source: Source, at: float | None) -> RowsAnswer:
        if query.table == "connections":
            remembered = table_queries.Remembered(
                0, self._forgotten(at), self.points.gaps(query.node)
            )
            return self.connections.rows(query, source, at, remembered)
        if query.table == "events":
            return self._event_rows(query, source)
        return self._table_rows(query, source, at)

    def _forgotten(self, at: float | None) -> int:
        snapshot, epoch = self.points.snapshot(at), self.epoch_at(at)
        if snapshot is None or epoch is None:
            return 0
        return max(0, snapshot.closed - self.connections.closed(epoch, at))

    def _event_rows(self, query: RowsQuery, source: Source) -> RowsAnswer:
        """Answer a query for rows of the events table.

        All rows are filtered and sorted with only the columns that the query needs. Then the rows
        of the requested page are read with all columns.
        """
        needed = sorted({"seq", "time", *table_queries.condition_columns(query)})
        make = light_record(tuple(needed))._make
        chosen = ", ".join(f'"{name}"' for name in needed)
        table, ids = [], {}
        for epoch in reversed(self.epochs()):
            if query.node in {None, epoch.node}:
                found = self.plain(
                    f"SELECT {chosen} FROM events WHERE epoch = ? AND time BETWEEN ? AND ? "  # noqa: S608 - constant column names
                    "ORDER BY seq DESC LIMIT ?",
                    *(epoch.id, *bounds(query.since, query.until), 4 * MOST_ROWS),
                )
                ids[epoch.node, epoch.epoch] = epoch.id
                table.append(table_queries.Part(epoch.node, epoch.epoch, list(map(make, found))))
        kept = self.one("SELECT count(*) FROM events")
        lost = sum(first - 1 for (first,) in self.all("SELECT min(seq) FROM events GROUP BY epoch"))
        remembered = table_queries.Remembered(kept, lost, self.points.gaps(query.node))
        answer = table_queries.rows(query, source, table, remembered)
        events = {key: self._events(number, answer.rows, key) for key, number in ids.items()}
        whole = [
            Row(row.node, row.epoch, events[row.node, row.epoch][row.record.seq])
            for row in answer.rows
        ]
        return replace(answer, rows=whole)

    def _events(self, epoch: int, page: Sequence[Row], of: tuple[str, str]) -> dict[int, Event]:
        """Return the Events of one epoch that are on a page: number → Event.

        Args:
            epoch: id of the epoch in the file.
            page: the rows of the page, of all epochs.
            of: node and name of the epoch.
        """
        numbers = [row.record.seq for row in page if (row.node, row.epoch) == of]
        found: dict[int, Event] = {}
        for chosen in (numbers[start : start + IDS] for start in range(0, len(numbers), IDS)):
            marks = ", ".join("?" * len(chosen))
            statement = f"SELECT * FROM events WHERE epoch = ? AND seq IN ({marks})"  # noqa: S608
            events = (record(Event, row) for row in self.all(statement, epoch, *chosen))
            found.update((event.seq, event) for event in events)
        return found

    def _table_rows(self, query: RowsQuery, source: Source, at: float | None) -> RowsAnswer:
        epoch = self.epoch_at(at)
        table = []
        if epoch is not None and query.node in {None, epoch.node}:
            records = self.tables.rows(query.table, epoch, source)
            table = [table_queries.Part(epoch.node, epoch.epoch, records)]
        return table_queries.rows(query, source, table, table_queries.Remembered())

    def batches(
        self, table: str, *, since: float | None, until: float | None, size: int
    ) -> Iterator[list[Any]]:
        """Yield all rows of the events or connections table in a time range, in batches.

        The oldest epoch comes first. Within an epoch, Events are sorted by their numbers; closed
        connections come before open ones, and both are sorted by their ids. The yielded records
        have all stored columns, and are faster to create than those of
        :mod:`rtmon.metrics.records`.

        Args:
            table: ``events`` or ``connections``.
            since: start of the range, Unix seconds; None for the start of the recording.
            until: end of the range, Unix seconds; None for the end of the recording.
            size: maximum number of rows in a batch.
        """
        for epoch in self.epochs():
            if table == "connections":
                yield from self.connections.batches(epoch.id, since=since, until=until, size=size)
                continue
            pages = self.pages(
                f"SELECT {', '.join(_EVENT)} FROM events "  # noqa: S608 - constant column names
                "WHERE epoch = ? AND time BETWEEN ? AND ? AND seq > ? ORDER BY seq LIMIT ?",
                (epoch.id, *bounds(since, until)),
                after=0,
                key=_EVENT.index("seq"),
                size=size,
            )
            for page in pages:
                yield list(map(_EventRow._make, page))

    def last_event(self, epoch: Epoch, until: float | None) -> int:
        """Return the number of an epoch's last Event up to ``until``; 0 if there is none.

        None as ``until`` stands for the end of the recording.
        """
        return (
            self.one(
                "SELECT seq FROM events WHERE epoch = ? AND time <= ? ORDER BY time DESC LIMIT 1",
                *(epoch.id, bounds(None, until)[1]),
            )
            or 0
        )

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        epoch: int | None = None,
        after: int = 0,
    ) -> Iterator[tuple[int, Event]]:
        """Yield the Events of a time range, oldest first, each with the id of its epoch.

        Args:
            since: start of the range, Unix seconds, included; None for the start of the recording.
            until: end of the range, Unix seconds, included; None for the end of the recording.
            epoch: id of an epoch in the file; None for all epochs.
            after: only Events with a number above this one; used with ``epoch``.
        """
        for row in self.all(
            "SELECT * FROM events WHERE time BETWEEN ? AND ? AND epoch = ifnull(?, epoch) "
            "AND seq > ? ORDER BY epoch, seq",
            *(*bounds(since, until), epoch, after),
        ):
            yield row["epoch"], record(Event, row)
