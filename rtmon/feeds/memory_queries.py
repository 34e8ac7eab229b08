"""Answer queries from the data that a local or remote feed holds in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from ..metrics.history import History
from ..metrics.records import ConnectionInfo
from . import series_queries, table_queries
from .queries import (
    DetailAnswer,
    DetailQuery,
    Gap,
    GroupAnswer,
    GroupQuery,
    MembersAnswer,
    MembersQuery,
    Query,
    RowsAnswer,
    RowsQuery,
    SeriesAnswer,
    SeriesQuery,
    Source,
)

__all__ = ["RESTARTED", "Epoch", "FeedMemory", "answer", "ended_with_server"]

RESTARTED = "server restarted"
"""Cause of close for connections that were still open at the last tick before a server restart.

The server never reported how these connections ended.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The data of one epoch that a feed holds in memory.

    Attributes:
        node: name of the server process.
        epoch: id of the epoch; "" before the first tick.
        history: Samples and Events of the epoch.
        connections: rows of the connections table.
        ended: True if a newer epoch has begun.
    """

    node: str
    epoch: str
    history: History
    connections: Sequence[ConnectionInfo]
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMemory:
    """The data that a feed holds in memory.

    Attributes:
        epochs: data of each epoch, oldest first.
        tables: current rows of the tables without history, such as ``channels``.
        closed: number of connections that have ended in the newest epoch, including those that are
            no longer in memory.
    """

    epochs: Sequence[Epoch]
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    closed: int = 0

    @property
    def source(self) -> Source:
        """The newest tick in memory. Each answer contains it as the source of the data."""
        if not self.epochs:
            return Source()
        last = self.epochs[-1]
        sample = last.history.latest()
        if sample is None:
            return Source(node=last.node, epoch=last.epoch)
        return Source(node=last.node, epoch=sample.epoch, seq=sample.seq, time=sample.time)

    @property
    def since(self) -> float | None:
        """Unix time of the oldest Sample in memory; None if there are no Samples."""
        for epoch in self.epochs:
            if times := epoch.history.times(10) or epoch.history.times(1):
                return times[0]
        return None


def answer(
    query: Query, memory: FeedMemory
) -> SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer:
    """Answer a query from a feed's memory. May be called on any thread.

    Raises:
        QueryError: the query is invalid.
    """
    memory = _of_node(memory, query.node)
    source = memory.source
    match query:
        case SeriesQuery():
            histories = [(each.history, each.ended) for each in memory.epochs]
            return series_queries.from_histories(query, source, histories)
        case RowsQuery():
            return table_queries.rows(query, source, *_table(query, memory))
        case GroupQuery():
            return table_queries.groups(query, source, _connections(memory))
        case DetailQuery():
            return _detail(query, source, memory)
        case MembersQuery():
            return MembersAnswer(
                source=source, missing="only the server has them, and it is not connected"
            )


def _of_node(memory: FeedMemory, node: str | None) -> FeedMemory:
    if node is None:
        return memory
    return replace(memory, epochs=[each for each in memory.epochs if each.node == node])


def _connections(memory: FeedMemory) -> list[table_queries.Part]:
    """Return the connection records of all epochs, newest epoch first."""
    return [
        table_queries.Part(each.node, each.epoch, each.connections)
        for each in reversed(memory.epochs)
    ]


def _table(
    query: RowsQuery, memory: FeedMemory
) -> tuple[list[table_queries.Part], table_queries.Remembered]:
    if query.table == "connections":
        table, closed, current = _connections(memory), 0, 0
        for part in table:
            ended = [info for info in part.records if info.state == "closed"]
            closed += len(ended)
            if part.epoch == memory.source.epoch:
                current += sum(info.role == "server" for info in ended)
        return table, table_queries.Remembered(
            closed, max(0, memory.closed - current), _restarts(memory)
        )
    if query.table == "events":
        table = [
            table_queries.Part(each.node, each.epoch, each.history.events()[::-1])
            for each in reversed(memory.epochs)
        ]
        kept = sum(len(part.records) for part in table)
        lost = sum(part.records[-1].seq - 1 for part in table if part.records)
        return table, table_queries.Remembered(kept, lost, _restarts(memory))
    source, records = memory.source, memory.tables.get(query.table, ())
    return [table_queries.Part(source.node, source.epoch, records)], table_queries.Remembered()


def _restarts(memory: FeedMemory) -> list[Gap]:
    """Return the time gaps between consecutive epochs. Restarts of the server cause these gaps."""
    found = []
    for before, after in pairwise(memory.epochs):
        last, first = before.history.latest(), after.history.first()
        if last is not None and first is not None:
            begin = max(last.time, first.time - first.elapsed)
            found.append(Gap(since=last.time, until=begin, reason=series_queries.RESTARTED))
    return found


def _detail(query: DetailQuery, source: Source, memory: FeedMemory) -> DetailAnswer:
    """Return one connection's row and Events.

    Headers, rooms and other details are not in memory. The feed adds them to the answer.
    """
    for each in reversed(memory.epochs):
        if query.epoch is not None and each.epoch != query.epoch:
            continue
        info = next((i for i in each.connections if i.id == query.connection), None)
        if info is not None or query.epoch is not None or each is memory.epochs[-1]:
            events = [e for e in each.history.events() if e.connection == query.connection]
            if info is not None or events:
                return DetailAnswer(source=source, info=info, events=events)
    return DetailAnswer(source=source, info=None)


def ended_with_server(
    connections: Sequence[ConnectionInfo], time: float | None
) -> list[ConnectionInfo]:
    """Return the connection rows of an ended epoch, with open connections marked as closed.

    Args:
        connections: the last rows that the feed received in the epoch.
        time: Unix time of the epoch's last Sample, which becomes the close time.
    """
    return [
        replace(info, state="closed", closed=time, cause=RESTARTED)
        if info.state == "open"
        else info
        for info in connections
    ]
