"""The read API that every view uses for the numbers of a server, wherever it runs."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, overload

from ..metrics.records import (
    ChannelInfo,
    ConnectionInfo,
    Event,
    Sample,
    Snapshot,
    SocketIOInfo,
)
from .queries import (
    Capabilities,
    DetailAnswer,
    DetailQuery,
    GroupAnswer,
    GroupQuery,
    MembersAnswer,
    MembersQuery,
    Query,
    RowsAnswer,
    RowsQuery,
    SeriesAnswer,
    SeriesQuery,
)

__all__ = ["ConnectionPage", "ConnectionQuery", "Feed", "FeedState", "FeedStatus", "select"]

FeedState = Literal["connecting", "live", "disconnected", "recorded", "closed"]
"""State of a feed.

* ``connecting``: started, nothing received yet.
* ``live``: Samples arrive.
* ``disconnected``: shows the last numbers received; the feed reconnects.
* ``recorded``: shows a moment of a recording; nothing more arrives.
* ``closed``: ended for good; shows the last numbers received.
"""


Answer = SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer
"""Type of the answer to a query."""


SILENT_TICKS = 3
"""Number of missing ticks after which a feed is not live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """Source and state of a feed, for views.

    Attributes:
        state: see :data:`FeedState`.
        source: name of the source for users ("ws://127.0.0.1:8766", "this process").
        detail: why the feed is not live, in words; empty while it is.
        since: time of the last change of state, on the feed's clock (:meth:`Feed.now`).
        node: name of the server process; empty before it is known.
    """

    state: FeedState
    source: str
    detail: str = ""
    since: float = 0.0
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionQuery:
    """A query for rows of the connections table.

    Attributes:
        state: ``open``, ``closed``, or None for both.
        contains: keep rows whose id, name, remote or path contains this text (case ignored).
        sort: a column of the connections table; nulls come last either way.
        descending: True for descending order.
        offset: number of rows to skip.
        limit: maximum number of rows; None for all.
    """

    state: str | None = "open"
    contains: str = ""
    sort: str = "opened"
    descending: bool = True
    offset: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage:
    """Rows of the connections table, and the total number of matches."""

    rows: Sequence[ConnectionInfo]
    total: int


class Feed(abc.ABC):
    """A source of Samples, Events and tables. Start it on a running loop, then read.

    It has two halves. The live half is synchronous, answers from memory, and never raises because
    of missing data. The query half is :meth:`query`: awaited, bounded, and never answered on the
    event loop of the watched server.
    """

    @abc.abstractmethod
    async def start(self) -> None:
        """Start receiving. Idempotent; returns without waiting for data."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Stop receiving and release resources. Idempotent; received data stays readable."""

    @property
    @abc.abstractmethod
    def status(self) -> FeedStatus:
        """The feed's source and state."""

    @abc.abstractmethod
    def now(self) -> float:
        """The server's wall clock, as far as it is known: the only clock that views use."""

    @abc.abstractmethod
    def latest(self) -> Sample | None:
        """The newest Sample, None before the first."""

    @abc.abstractmethod
    def snapshot(self) -> Snapshot | None:
        """Totals as of the newest Sample, None before the first."""

    @abc.abstractmethod
    def samples(self, since: int = 0) -> list[Sample]:
        """Samples of the current epoch with ``seq > since``, oldest first, at most an hour."""

    @abc.abstractmethod
    def events(self, since: int = 0) -> list[Event]:
        """Events of the current epoch with ``seq > since``, oldest first."""

    @abc.abstractmethod
    def channels(self) -> list[ChannelInfo]:
        """The hub's channels, in no particular order; empty without a hub."""

    @abc.abstractmethod
    def socketio(self) -> list[SocketIOInfo]:
        """Totals of a Socket.IO server by namespace, event and room; empty without one."""

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """The queries that this source can answer."""

    @abc.abstractmethod
    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        """Call a function with every new Sample, on the loop; returns a function to unsubscribe.

        The function must not block.
        """

    @overload
    async def query(self, query: SeriesQuery) -> SeriesAnswer: ...
    @overload
    async def query(self, query: RowsQuery) -> RowsAnswer: ...
    @overload
    async def query(self, query: GroupQuery) -> GroupAnswer: ...
    @overload
    async def query(self, query: DetailQuery) -> DetailAnswer: ...
    @overload
    async def query(self, query: MembersQuery) -> MembersAnswer: ...

    async def query(self, query: Query) -> Answer:
        """Answer a query.

        Raises:
            QueryError: the query is wrong, or asks for what this source does not have.
            FeedError: the source did not answer.
        """
        return await self.answer(query)

    @abc.abstractmethod
    async def answer(self, query: Query) -> Answer:
        """Answer a query of any kind; what :meth:`query` calls."""

    @abc.abstractmethod
    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        """A page of the connections table; by default the open ones, newest first."""


def select(rows: Sequence[ConnectionInfo], query: ConnectionQuery | None) -> ConnectionPage:
    """Filter, sort and slice rows by a query; one implementation for all feeds."""
    query = query or ConnectionQuery()
    needle = query.contains.casefold()
    kept = [
        row
        for row in rows
        if (query.state is None or row.state == query.state)
        and (
            not needle
            or any(
                needle in text.casefold()
                for text in (row.id, row.name, row.remote, row.path)
                if text is not None
            )
        )
    ]
    known = [row for row in kept if getattr(row, query.sort) is not None]
    unknown = [row for row in kept if getattr(row, query.sort) is None]
    known.sort(key=lambda row: getattr(row, query.sort), reverse=query.descending)
    ordered = known + unknown
    end = None if query.limit is None else query.offset + query.limit
    return ConnectionPage(rows=ordered[query.offset : end], total=len(ordered))
