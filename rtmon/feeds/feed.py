"""The class Feed: the API by which all views read the measurements of a server."""

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

* ``connecting``: The feed was started and has received nothing yet.
* ``live``: The feed receives Samples.
* ``disconnected``: No Samples arrive. The feed shows the last ones and tries to reconnect.
* ``recorded``: The feed shows one moment of a recording. No further Samples arrive.
* ``closed``: The feed has ended and does not reconnect. The last Samples are shown.
"""


Answer = SeriesAnswer | RowsAnswer | GroupAnswer | DetailAnswer | MembersAnswer
"""The types that :meth:`Feed.answer` can return, one for each type of query."""


SILENT_TICKS = 3
"""A feed is no longer ``live`` after this many tick intervals without a Sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """The state of a feed, and the source that the feed reads.

    Attributes:
        state: see :data:`FeedState`.
        source: the source's name as shown to users: "ws://127.0.0.1:8766", "this process".
        detail: text that explains why the feed is not live; "" if there is nothing to explain.
        since: Unix time of the last change of state, by the server's clock (:meth:`Feed.now`).
        node: name of the server process; "" until the feed has received it.
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
        contains: select rows whose id, name, remote or path contains this text; case is ignored.
        sort: the column to sort by. Rows with null in this column come last in either order.
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
    """The rows of the connections table that a ConnectionQuery selects.

    ``total`` counts all matching rows, before ``offset`` and ``limit`` were applied.
    """

    rows: Sequence[ConnectionInfo]
    total: int


class Feed(abc.ABC):
    """A source of Samples, Events and tables for views.

    Call :meth:`start` on a running event loop before any other method.

    A feed can be read in two ways:

    * Live methods such as :meth:`latest` and :meth:`samples` are synchronous. These methods read
      from memory, and never raise because data is missing.
    * :meth:`query` is awaited. The size of its answer is bounded, and the answer is never computed
      on the event loop of the monitored server.
    """

    @abc.abstractmethod
    async def start(self) -> None:
        """Start receiving measurements. Return without waiting for data. May be called twice."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Stop receiving and release resources. May be called twice.

        Data that the feed has received stays readable.
        """

    @property
    @abc.abstractmethod
    def status(self) -> FeedStatus:
        """The feed's current state, and the name of its source."""

    @abc.abstractmethod
    def now(self) -> float:
        """Return the current Unix time by the monitored server's clock.

        Before the first Sample, the time is that of the local clock. Views use no other clock.
        """

    @abc.abstractmethod
    def latest(self) -> Sample | None:
        """Return the newest Sample; None before the first."""

    @abc.abstractmethod
    def snapshot(self) -> Snapshot | None:
        """Return the server's totals as of the newest Sample; None before the first."""

    @abc.abstractmethod
    def samples(self, since: int = 0) -> list[Sample]:
        """Return the Samples with ``seq > since`` of the current epoch, oldest first.

        A feed keeps the Samples of the last hour.
        """

    @abc.abstractmethod
    def events(self, since: int = 0) -> list[Event]:
        """Return the Events with ``seq > since`` of the current epoch, oldest first."""

    @abc.abstractmethod
    def channels(self) -> list[ChannelInfo]:
        """Return the hub's channels, in no particular order; [] if the server has no hub."""

    @abc.abstractmethod
    def socketio(self) -> list[SocketIOInfo]:
        """Return a Socket.IO server's totals by namespace, event and room.

        The list is empty if no Socket.IO server is monitored.
        """

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """The queries that this feed can answer."""

    @abc.abstractmethod
    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        """Call ``listener`` with every new Sample, on the feed's event loop.

        The listener must not block.

        Returns:
            A function that removes the listener.
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
            QueryError: the query is invalid, or the source does not have the requested data.
            FeedError: the server did not answer.
        """
        return await self.answer(query)

    @abc.abstractmethod
    async def answer(self, query: Query) -> Answer:
        """Answer a query of any type. Subclasses implement this; callers use :meth:`query`."""

    @abc.abstractmethod
    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        """Return rows of the connections table.

        If ``query`` is None, these are the open connections, newest first.
        """


def select(rows: Sequence[ConnectionInfo], query: ConnectionQuery | None) -> ConnectionPage:
    """Apply a ConnectionQuery to rows of the connections table: filter, sort and slice the rows."""
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
