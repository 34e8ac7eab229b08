"""Answer queries from a recording's file."""

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
    """Reads a recording; arguments and errors as of :class:`RecordingFile`.

    Attributes:
        points: its Samples.
        connections: its connections.
        tables: its other tables.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.points = SampleQueries(self)
        self.connections = ConnectionReader(self)
        self.tables = StateReader(self)

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
        """Filter and sort by the columns that are needed, then read whole rows of the page."""
        needed = sorted({"seq", "time", *table_queries.condition_columns(query)})
        make = light_record(tuple(needed))._make
        chosen = ", ".join(f'"{name}"' for name in needed)
        table, ids = [], {}
        for epoch in reversed(self.epochs()):
            if query.node in {None, epoch.node}:
                found = self.plain(
                    f"SELECT {chosen} FROM events WHERE epoch = ? AND time BETWEEN ? AND ? "  # noqa: S608 - names of columns
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
        """Return the Events of an epoch that are on a page, by their numbers."""
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
        """Yield all events, or all connections, of a range, oldest first, some at a time.

        Connections come in the order of their ids, the closed ones of an epoch first. The records
        have all stored columns, and cost less than those of :mod:`rtmon.metrics.records`.
        """
        for epoch in self.epochs():
            if table == "connections":
                yield from self.connections.batches(epoch.id, since=since, until=until, size=size)
                continue
            pages = self.pages(
                f"SELECT {', '.join(_EVENT)} FROM events "  # noqa: S608 - names of columns
                "WHERE epoch = ? AND time BETWEEN ? AND ? AND seq > ? ORDER BY seq LIMIT ?",
                (epoch.id, *bounds(since, until)),
                after=0,
                key=_EVENT.index("seq"),
                size=size,
            )
            for page in pages:
                yield list(map(_EventRow._make, page))

    def last_event(self, epoch: Epoch, until: float | None) -> int:
        """Return the number of the last Event of an epoch up to a time; 0 before the first."""
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
        """Yield the Events of a range, oldest first, each with the id of its epoch.

        Args:
            since: Unix seconds, included; None for the beginning.
            until: Unix seconds, included; None for the end.
            epoch: id of the epoch; None for all.
            after: with ``epoch``: leave out Events up to this number.
        """
        for row in self.all(
            "SELECT * FROM events WHERE time BETWEEN ? AND ? AND epoch = ifnull(?, epoch) "
            "AND seq > ? ORDER BY epoch, seq",
            *(*bounds(since, until), epoch, after),
        ):
            yield row["epoch"], record(Event, row)
