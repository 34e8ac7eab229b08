"""Answer queries from a feed's memory: one implementation for all live feeds."""

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
"""Cause for connections that were open when the server ended without reporting their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The data in memory of one epoch.

    Attributes:
        node: the server process.
        epoch: its name; "" before the first tick.
        history: its Samples and Events.
        connections: rows of the connections table.
        ended: True if another epoch has begun since.
    """

    node: str
    epoch: str
    history: History
    connections: Sequence[ConnectionInfo]
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMemory:
    """The data in memory: epochs, oldest first, and the tables with only a current state."""

    epochs: Sequence[Epoch]
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    closed: int = 0
    """Number of ended connections of the last epoch, remembered or not."""

    @property
    def source(self) -> Source:
        """The tick that answers are as of."""
        if not self.epochs:
            return Source()
        last = self.epochs[-1]
        sample = last.history.latest()
        if sample is None:
            return Source(node=last.node, epoch=last.epoch)
        return Source(node=last.node, epoch=sample.epoch, seq=sample.seq, time=sample.time)

    @property
    def since(self) -> float | None:
        """Time of the oldest numbers, Unix seconds; None if there are none."""
        for epoch in self.epochs:
            if times := epoch.history.times(10) or epoch.history.times(1):
                return times[0]
        return None


def answer(
    query: Query, memory: FeedMemory
) -> SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer:
    """Answer a query; on any thread.

    Raises:
        QueryError: the query is wrong.
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
            return MembersAnswer(source=source, missing="only the server knows, and it is away")


def _of_node(memory: FeedMemory, node: str | None) -> FeedMemory:
    if node is None:
        return memory
    return replace(memory, epochs=[each for each in memory.epochs if each.node == node])


def _connections(memory: FeedMemory) -> list[table_queries.Part]:
    """Return the records of all epochs, newest epoch first."""
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
    """Return the gaps between the epochs."""
    found = []
    for before, after in pairwise(memory.epochs):
        last, first = before.history.latest(), after.history.first()
        if last is not None and first is not None:
            begin = max(last.time, first.time - first.elapsed)
            found.append(Gap(since=last.time, until=begin, reason=series_queries.RESTARTED))
    return found


def _detail(query: DetailQuery, source: Source, memory: FeedMemory) -> DetailAnswer:
    """Return one connection's data from the tables; a live source adds its details."""
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
    """Return the rows of an ended epoch, with its open connections as closed.

    Args:
        connections: the last rows that were received.
        time: time of the epoch's last message, Unix seconds.
    """
    return [
        replace(info, state="closed", closed=time, cause=RESTARTED)
        if info.state == "open"
        else info
        for info in connections
    ]
