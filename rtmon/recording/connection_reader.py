"""Query the connections in a recording, in the state that they had at a given time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..feeds import table_queries
from ..feeds.memory_queries import RESTARTED
from ..feeds.queries import (
    MOST_ROWS,
    DetailAnswer,
    DetailQuery,
    GroupAnswer,
    GroupQuery,
    Row,
    RowsAnswer,
    RowsQuery,
    Source,
)
from ..feeds.table_queries import Part, Remembered
from ..metrics.columns import CONNECTION, ENDING, names
from ..metrics.derived_values import light_record
from ..metrics.records import ConnectionInfo, Event
from . import schema
from .readonly_file import Epoch, RecordingFile, bounds, record

__all__ = ["NOT_RECORDED", "ConnectionReader"]

_TABLES = ("open_connections", "connections")

_ORDER = {
    "open_connections": ("opened", "length(id)", "id"),
    "connections": ("closed", "length(id)", "id"),
}
"""Sort keys of each table: oldest first. Ids end with a number, so short ids are older."""

_WHOLE = (
    "SELECT c.*, b.traceback, b.last_frames FROM {table} c LEFT JOIN blackboxes b USING (epoch, id)"
)

_STORED = names(CONNECTION, derived=False)
_STORED_COLUMNS = ", ".join(f'"{name}"' for name in _STORED)
_STORED_ROW = light_record(_STORED)._make

IDS = 500
"""Maximum number of rows that one SQL statement selects by their ids."""

CLOSED_SHOWN = 1000
"""Maximum number of closed connections that a RecordingFeed keeps in memory, as a Monitor does."""


class ConnectionReader:
    """Reads the connections of a recording.

    Args:
        file: the opened recording.
    """

    def __init__(self, file: RecordingFile) -> None:
        self._file = file

    def rows(
        self, query: RowsQuery, source: Source, at: float | None, remembered: Remembered
    ) -> RowsAnswer:
        """Answer a query for rows of the connections table.

        All rows are filtered and sorted with only the columns that the query needs. Then the rows
        of the requested page are read with all columns.

        Args:
            query: the query for rows.
            source: the tick at which the rows' states are shown.
            at: time of that tick, Unix seconds; None for the end of the recording.
            remembered: number of rows that the recording no longer holds, and the gaps. Both are
                copied into the answer. The answer's number of held rows is the number of closed
                connections that were found.

        Raises:
            QueryError: the query has an error, such as an unknown column.
        """
        table = self._light(
            table_queries.needed_columns(query), query.since, query.until, at=at, node=query.node
        )
        closed = sum(record.state == "closed" for part in table for record in part.records)
        answer = table_queries.rows(query, source, table, replace(remembered, kept=closed))
        return replace(answer, rows=self._whole(answer.rows, at))

    def groups(self, query: GroupQuery, source: Source, at: float | None) -> GroupAnswer:
        """Answer a query for groups of connections, with the sums of their counters.

        ``source`` and ``at`` are as in :meth:`rows`.

        Raises:
            QueryError: the query has an error, such as an unknown column.
        """
        columns = table_queries.group_columns(query)
        table = self._light(columns, None, None, at=at, node=query.node, ordered=False)
        return table_queries.groups(query, source, table)

    def closed(self, epoch: Epoch, at: float | None) -> int:
        """Return how many of an epoch's recorded server connections had closed at a time.

        Args:
            epoch: the epoch.
            at: Unix seconds; None for the end of the recording.
        """
        count: int = self._file.one(
            "SELECT count(*) FROM connections WHERE epoch = ? AND role = 'server' AND closed <= ?",
            *(epoch.id, bounds(None, at)[1]),
        )
        return count

    def _light(
        self,
        columns: set[str],
        since: float | None,
        until: float | None,
        *,
        at: float | None,
        node: str | None,
        ordered: bool = True,
    ) -> list[Part]:
        """Read some columns of all connections that existed in a time range.

        The newest epoch comes first, and within an epoch the open connections, as in a live feed.
        In a returned Part, the attribute ``node`` is the name of the SQL table instead of a server
        process, and ``epoch`` is the epoch's id in the file.

        Args:
            columns: names of the columns to read.
            since: start of the range, Unix seconds; None for the start of the recording.
            until: end of the range, Unix seconds; None for the end of the recording.
            at: time at which the connections' states are shown; None for the end of the recording.
            node: name of a server process; None for all.
            ordered: False to skip sorting in SQLite, if the order does not matter.
        """
        needed = sorted({*columns, "closed"})
        make = light_record(tuple(needed))._make
        begin, end = bounds(since, until if at is None else min(at, until or at))
        selected = ", ".join(f'"{name}"' for name in needed)
        boxes = "LEFT JOIN blackboxes USING (epoch, id) " if columns & set(schema.BLACKBOX) else ""
        epochs = self._file.epochs()
        found = []
        for number, epoch in reversed(list(enumerate(epochs))):
            if node is not None and epoch.node != node:
                continue
            over = epoch.ended if number < len(epochs) - 1 else None
            for table in _TABLES:
                made = list(
                    map(
                        make,
                        self._file.plain(
                            f"SELECT {selected} FROM {table} {boxes}"  # noqa: S608
                            "WHERE epoch = ? AND opened <= ? AND (closed IS NULL OR closed >= ?) "
                            + (f"ORDER BY {', '.join(_ORDER[table])}" if ordered else ""),
                            *(epoch.id, end, begin),
                        ),
                    )
                )
                if at is not None or over is not None:
                    made = [
                        each._replace(**_changes(each, at, over, each._fields)) for each in made
                    ]
                found.append(Part(table, str(epoch.id), made))
        return found

    def _whole(self, page: Sequence[Row], at: float | None) -> list[Row]:
        """Read all columns of the connections on a page of the rows from :meth:`_light`."""
        of = {each.id: (each.node, each.epoch) for each in self._file.epochs()}
        infos: dict[tuple[str, str], ConnectionInfo] = {}
        places = dict.fromkeys((row.node, row.epoch) for row in page)
        for table, epoch in places:
            ids = [row.record.id for row in page if (row.node, row.epoch) == (table, epoch)]
            for start in range(0, len(ids), IDS):
                chosen = ids[start : start + IDS]
                read = self._infos(table, int(epoch), chosen, at)
                if len(read) < len(chosen):  # some have moved to the table of closed ones
                    read += self._infos("connections", int(epoch), chosen, at)
                infos.update(((epoch, each.id), each) for each in read)
        return [
            Row(*of[int(row.epoch)], info)
            for row in page
            if (info := infos.get((row.epoch, row.record.id))) is not None
        ]

    def _infos(
        self, table: str, epoch: int, ids: Sequence[str], at: float | None
    ) -> list[ConnectionInfo]:
        found = self._file.all(
            f"{_WHOLE.format(table=table)} WHERE epoch = ? AND id IN ({', '.join('?' * len(ids))})",
            *(epoch, *ids),
        )
        return self._as_of(epoch, [record(ConnectionInfo, row) for row in found], at)

    def shown(self, *, epoch: int, at: float | None = None) -> list[ConnectionInfo]:
        """Return the open connections of an epoch, then the closed ones, at a time.

        Only the latest :data:`CLOSED_SHOWN` closed connections are returned.

        Args:
            epoch: id of the epoch in the file.
            at: Unix seconds; None for the end of the recording.
        """
        found: list[Any] = []
        begin, end = bounds(None, at)
        for table, bound in zip(_TABLES, (MOST_ROWS, CLOSED_SHOWN), strict=True):
            order = ", ".join(f"{key} DESC" for key in _ORDER[table])
            found += reversed(
                self._file.all(
                    f"{_WHOLE.format(table=table)} WHERE epoch = ? "
                    f"AND opened BETWEEN ? AND ? ORDER BY {order} LIMIT ?",
                    *(epoch, begin, end, bound),
                )
            )
        return self._as_of(epoch, [record(ConnectionInfo, row) for row in found], at)

    def batches(
        self, epoch: int, *, since: float | None, until: float | None, size: int
    ) -> Iterator[list[Any]]:
        """Yield all connections of an epoch that existed in a time range, in batches.

        Closed connections come first. The records have the columns of a ConnectionInfo, except
        columns that are derived from other columns. Such records take less time to create than a
        ConnectionInfo.

        Args:
            epoch: id of the epoch in the file.
            since: start of the range, Unix seconds; None for the start of the recording.
            until: end of the range, Unix seconds; None for the end of the recording.
            size: maximum number of connections in a batch.
        """
        begin, end = bounds(since, until)
        over = self._over(epoch)
        for table in reversed(_TABLES):
            pages = self._file.pages(
                f"SELECT {_STORED_COLUMNS} FROM {table} "  # noqa: S608 - constant column names
                "LEFT JOIN blackboxes USING (epoch, id) WHERE epoch = ? AND opened <= ? "
                "AND (closed IS NULL OR closed >= ?) AND id > ? ORDER BY id LIMIT ?",
                (epoch, end, begin),
                after="",
                key=_STORED.index("id"),
                size=size,
            )
            for page in pages:
                made = list(map(_STORED_ROW, page))
                if over is not None:
                    made = [row._replace(**_changes(row, None, over, _STORED)) for row in made]
                yield made

    def _as_of(
        self, epoch: int, infos: list[ConnectionInfo], at: float | None
    ) -> list[ConnectionInfo]:
        """Return connections of an epoch with the states that they had at a time."""
        over = self._over(epoch)
        if at is None and over is None:
            return infos
        fields = ConnectionInfo.__dataclass_fields__
        return [replace(info, **_changes(info, at, over, fields)) for info in infos]

    def _over(self, epoch: int) -> float | None:
        """Return the end of an epoch in Unix seconds; None if it is the last in the recording."""
        return next((e.ended for e in self._file.epochs()[:-1] if e.id == epoch), None)

    def detail(self, query: DetailQuery, source: Source, at: float | None) -> DetailAnswer:
        """Answer a query for the details of one connection.

        ``source`` and ``at`` are as in :meth:`rows`. The answer's ``info`` is None if the recording
        does not contain the connection.
        """
        for epoch in reversed(self._file.epochs()):
            if query.epoch not in {None, epoch.epoch} or query.node not in {None, epoch.node}:
                continue
            for table in _TABLES:
                found = self._infos(table, epoch.id, [query.connection], at)
                if found:
                    return DetailAnswer(
                        source=source,
                        info=found[0],
                        events=self._events_of(epoch.id, query.connection, at),
                        missing=dict.fromkeys(("series", "headers", "rooms"), NOT_RECORDED),
                    )
        return DetailAnswer(source=source, info=None)

    def _events_of(self, epoch: int, connection: str, at: float | None) -> list[Event]:
        found = self._file.all(
            "SELECT * FROM events WHERE epoch = ? AND connection = ? AND time <= ? ORDER BY seq",
            *(epoch, connection, bounds(None, at)[1]),
        )
        return [record(Event, row) for row in found]


NOT_RECORDED = "it is not recorded"

_TICK = 1.0
"""Seconds after the last tick of an epoch for which its connections still count as open."""


def _changes(
    row: Any, at: float | None, over: float | None, columns: Collection[str]
) -> dict[str, Any]:
    """Return a connection's column values at a time, if they differ from its last state.

    Args:
        row: the connection in its last recorded state.
        at: the time, Unix seconds; None for the end of the recording.
        over: end of the connection's epoch if another epoch followed, else None. After this time,
            no connection of the epoch is open.
        columns: names of the columns that the row has.
    """
    if at is not None and row.closed is not None and row.closed > at:
        changes: dict[str, Any] = {**_UNENDED, "state": "open"}
    elif row.closed is None and over is not None and (at is None or at >= over + _TICK):
        changes = {"state": "closed", "closed": over, "cause": RESTARTED}
    else:
        changes = {}
    return {name: value for name, value in changes.items() if name in columns}


_UNENDED = dict.fromkeys((*ENDING, "closed", *schema.BLACKBOX))
