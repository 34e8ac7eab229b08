"""The one read side that every view uses: what a server measured, wherever it runs."""

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
"""Where a feed stands.

* ``connecting``: started, nothing received yet.
* ``live``: Samples arrive.
* ``disconnected``: what is shown is the last that was received; the feed tries again.
* ``recorded``: nothing more comes; what is shown is of a time in a recording.
* ``closed``: ended for good; what is shown stays the last that was received.
"""


Answer = SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer
"""What a query is answered with: each kind of query has its own."""


SILENT_TICKS = 3
"""Ticks without a Sample after which a feed is not live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """What a view needs to say about where its numbers come from.

    Attributes:
        state: see :data:`FeedState`.
        source: what is watched, for people ("ws://127.0.0.1:8766", "this process").
        detail: why the feed is not live, in words; empty while it is.
        since: when the state was reached, on the feed's own clock (:meth:`Feed.now`).
        node: name of the server process; empty before it is known.
    """

    state: FeedState
    source: str
    detail: str = ""
    since: float = 0.0
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionQuery:
    """Which connections, in which order, from where on.

    Attributes:
        state: ``open``, ``closed``, or None for both.
        contains: keep rows in whose id, name, remote or path this text occurs (case ignored).
        sort: a column of the connections table; nulls come last either way.
        descending: the order.
        offset: how many rows to leave out at the start.
        limit: how many rows at most; None for all.
    """

    state: str | None = "open"
    contains: str = ""
    sort: str = "opened"
    descending: bool = True
    offset: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage:
    """Rows of the connections table, and how many there are in all that match."""

    rows: Sequence[ConnectionInfo]
    total: int


class Feed(abc.ABC):
    """A source of Samples, Events and tables. Start it on a running loop, then read.

    It has two halves. The live half is synchronous, answers from memory and never raises for
    want of data. The query half is :meth:`query`: awaited, bounded, and never answered on the
    event loop of the server that is watched.
    """

    @abc.abstractmethod
    async def start(self) -> None:
        """Begin to receive. Idempotent; returns without waiting for data."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Stop receiving and release everything. Idempotent; what was received stays readable."""

    @property
    @abc.abstractmethod
    def status(self) -> FeedStatus:
        """Where the feed stands."""

    @abc.abstractmethod
    def now(self) -> float:
        """The server's wall clock, as well as it is known: the only clock views read."""

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
        """The hub's channels, in no particular order; none where there is no hub."""

    @abc.abstractmethod
    def socketio(self) -> list[SocketIOInfo]:
        """What a Socket.IO server did, by namespace, event, room; none where there is none."""

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What this source can answer."""

    @abc.abstractmethod
    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        """Call a function with every new Sample, on the loop; returns a function that ends this.

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
    """Filter, sort and cut rows as a query asks; the one implementation for all feeds."""
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
