"""The class LocalFeed, which reads a Monitor in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..metrics.meter import light_rows
from ..metrics.redaction import KEEP_ALL, Redaction
from . import memory_queries, table_queries
from .connection_details import with_details
from .feed import SILENT_TICKS, Answer, ConnectionPage, ConnectionQuery, Feed, FeedStatus, select
from .queries import (
    Capabilities,
    DetailAnswer,
    DetailQuery,
    GroupQuery,
    MembersAnswer,
    MembersQuery,
    Query,
    RowsAnswer,
    RowsQuery,
    Source,
)

if TYPE_CHECKING:
    from ..metrics.collector import Collector
    from ..metrics.monitor_interfaces import TickSource
    from ..metrics.records import ChannelInfo, Event, Sample, Snapshot, SocketIOInfo

__all__ = ["LocalFeed"]


_TABLES: Mapping[str, Callable[[Collector], Sequence[Any]]] = {
    "channels": lambda collector: collector.channels(),
    "socketio": lambda collector: collector.socketio(),
    "latencies": lambda collector: collector.latencies(),
    "addresses": lambda collector: collector.addresses(),
}
"""Tables without history: name → function that builds the table's current rows."""


class LocalFeed(Feed):
    """A feed that reads a Monitor in the same process, and shows the data of the last tick.

    All methods may be called on any thread.

    Args:
        monitor: the Monitor to read.
        redaction: redacts request headers; by default, only values that hold secrets.
    """

    def __init__(self, monitor: TickSource, *, redaction: Redaction = KEEP_ALL) -> None:
        self._monitor = monitor
        self._redaction = redaction
        self._collector = monitor.collector
        self._started = False
        self._closed_at: float | None = None

    async def start(self) -> None:
        self._started = True
        self._monitor.arm("display")

    async def aclose(self) -> None:
        if self._closed_at is None:
            self._closed_at = self.now()

    @property
    def status(self) -> FeedStatus:
        latest = self.latest()
        source, node = "this process", self._monitor.node
        if self._closed_at is not None:
            return FeedStatus(state="closed", source=source, since=self._closed_at, node=node)
        if latest is None:
            return FeedStatus(state="connecting", source=source, node=node)
        late = self.now() - latest.time
        if self._monitor.closed:
            return FeedStatus(
                state="closed",
                source=source,
                since=latest.time,
                node=node,
                detail="the Monitor is closed",
            )
        if late > SILENT_TICKS * self._monitor.interval:
            detail = f"no tick for {late:.0f} s: the event loop has ended or is blocked"
            return FeedStatus(
                state="disconnected", source=source, since=latest.time, node=node, detail=detail
            )
        return FeedStatus(state="live", source=source, since=latest.time, node=node)

    def now(self) -> float:
        return self._monitor.clock.time()

    def latest(self) -> Sample | None:
        return self._collector.history.latest()

    def snapshot(self) -> Snapshot | None:
        return self._collector.published()

    def samples(self, since: int = 0) -> list[Sample]:
        return self._collector.history.samples(since)

    def events(self, since: int = 0) -> list[Event]:
        return self._collector.history.events(since)

    def channels(self) -> list[ChannelInfo]:
        return self._collector.channels()

    def socketio(self) -> list[SocketIOInfo]:
        return self._collector.socketio()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=True, details=True, since=self._memory().since)

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        return self._monitor.listen(lambda tick: listener(tick.sample))

    async def answer(self, query: Query) -> Answer:
        # The caller may run on the measured event loop, which an answer must not block.
        return await asyncio.to_thread(self.answer_now, query)

    def answer_now(self, query: Query) -> Answer:
        """Answer a query on the calling thread, which blocks until the answer is computed.

        Raises:
            QueryError: the query is invalid.
        """
        answer = memory_queries.answer(query, self._needed(query))
        if isinstance(answer, DetailAnswer):
            return with_details(answer, self._collector, self._monitor.clock, self._redaction)
        if isinstance(query, MembersQuery):
            return self._members(query, answer.source)
        if isinstance(answer, RowsAnswer) and answer.table == "connections":
            return _whole(answer)
        return answer

    def _members(self, query: MembersQuery, source: Source) -> MembersAnswer:
        meters = self._collector.members_of(query.channel)
        if meters is None:
            return MembersAnswer(source=source, missing="there is no hub")
        members = [meter.info() for meter in meters[: max(0, query.limit)]]
        return MembersAnswer(source=source, members=members, total=len(meters))

    def _needed(self, query: Query) -> memory_queries.FeedMemory:
        """Return the data that a query reads. Other rows of tables are not created."""
        match query:
            case RowsQuery(table="connections"):
                columns = tuple(sorted(table_queries.needed_columns(query) | {"role"}))
                return self._memory(light_rows(columns)(self._collector.meters()))
            case GroupQuery():
                columns = tuple(sorted(table_queries.group_columns(query)))
                return self._memory(light_rows(columns)(self._collector.meters()))
            case RowsQuery():
                return self._memory(table=query.table)
            case DetailQuery():
                meter = self._collector.find(query.connection)
                return self._memory([] if meter is None else [meter.info()])
            case _:
                return self._memory()

    def _memory(
        self, connections: Sequence[Any] = (), table: str = ""
    ) -> memory_queries.FeedMemory:
        """Return the Monitor's history with the given rows, as input of a query.

        Args:
            connections: rows of the connections table that the query reads.
            table: name of a table without history that the query reads; "" for none.
        """
        collector = self._collector
        snapshot = collector.published()
        epoch = memory_queries.Epoch(
            node=collector.node,
            epoch=collector.epoch,
            history=collector.history,
            connections=connections,
        )
        tables = {table: _TABLES[table](collector)} if table in _TABLES else {}
        closed = snapshot.closed if snapshot else 0
        return memory_queries.FeedMemory(epochs=[epoch], tables=tables, closed=closed)

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._collector.connections(), query)


def _whole(answer: RowsAnswer) -> RowsAnswer:
    """Replace each row's record, which has only some columns, by a complete ConnectionInfo."""
    return replace(answer, rows=[r._replace(record=r.record.meter.info()) for r in answer.rows])
