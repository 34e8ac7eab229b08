"""Requests from a reader to a server over its feed, and the pieces of their answers.

A server whose ``hello`` has the feature ``requests`` accepts text messages: a JSON object with
``id``, an integer chosen by the reader, ``kind`` and ``query``:

* ``detail``, the fields of a :class:`~rtmon.feeds.queries.DetailQuery`: answered with those of a
  :class:`~rtmon.feeds.queries.DetailAnswer`.
* ``members``, the fields of a :class:`~rtmon.feeds.queries.MembersQuery`, if ``hello`` has the
  feature ``members``, too: answered with those of a :class:`~rtmon.feeds.queries.MembersAnswer`.
* ``rows``, the fields of a :class:`~rtmon.feeds.queries.RowsQuery` for a table in :data:`ASKED`:
  answered with a list of records, as objects.
* ``labels``, if ``hello`` has that feature, with ``epoch`` and ``after``, the number of a tick:
  answered with the durations by label of the last ticks after it, each tick as ``[seq, rows]``
  with rows ``[measure, by, label, histogram]``; none if another epoch has begun.
* ``coarse``, with ``before``, a tick's number: answered with the merged Samples that hold ticks
  before it, oldest first, each as ``[ticks, row]`` with a row as in :mod:`.wire_format`.

An answer comes in binary messages: the id (4 bytes, big-endian), a byte that is 0 if more follows,
1 if this is the last piece, 2 if the answer is an error in words, and a piece of at most
:data:`~rtmon.feeds.wire_format.PIECE_BYTES` bytes of the answer, which is JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import msgspec

from ..errors import FeedError, QueryError, RtmonError
from ..metrics.records import AddressInfo, Latency
from .queries import DetailQuery, MembersQuery, RowsQuery
from .wire_format import PIECE_BYTES

__all__ = [
    "ASKED",
    "FEATURE",
    "LABELS_FEATURE",
    "MEMBERS",
    "Coarse",
    "LabelledTick",
    "LabelsAfter",
    "Request",
    "Requests",
    "answer_pieces",
    "error_piece",
    "parse_request",
]

FEATURE = "requests"
LABELS_FEATURE = "labels"

MEMBERS = "members"
"""Feature of a server that lists the members of a channel or room on request."""

_HEAD = struct.Struct("!IB")
_MORE, _LAST, _ERROR = range(3)

T = TypeVar("T")


class Coarse(msgspec.Struct, frozen=True):
    """A request for the merged Samples before a tick."""

    before: int


class LabelsAfter(msgspec.Struct, frozen=True):
    """A request for the durations by label after a tick of an epoch."""

    epoch: str
    after: int


LabelledTick = tuple[int, list[tuple[str, str, str, str]]]
"""The number of a tick, and for each label its key and histogram, in its text form."""

_QUERIES: dict[str, type[Any]] = {
    "detail": DetailQuery,
    "members": MembersQuery,
    "rows": RowsQuery,
    "coarse": Coarse,
    "labels": LabelsAfter,
}

Request = DetailQuery | MembersQuery | RowsQuery | Coarse | LabelsAfter

ASKED: dict[str, Any] = {"latencies": list[Latency], "addresses": list[AddressInfo]}
"""Tables that a server sends only on request, and the types of the answers."""


class _Request(msgspec.Struct):
    id: int
    kind: str
    query: msgspec.Raw


def parse_request(text: str | bytes) -> tuple[int, Request]:
    """Parse a reader's request; return its id and query.

    Raises:
        FeedError: it is not a valid request.
    """
    try:
        request = msgspec.json.decode(text, type=_Request)
        if not 0 <= request.id < 2**32:
            raise FeedError(f"the id {request.id} of a request does not fit 32 bits")
        query: Request = msgspec.json.decode(request.query, type=_QUERIES[request.kind])
        if isinstance(query, RowsQuery) and query.table not in ASKED:
            raise FeedError(f"rows of {query.table} are sent with ticks")
        return request.id, query
    except (msgspec.MsgspecError, UnicodeError, KeyError) as exc:
        raise FeedError(f"this is not a request of a reader of feeds: {exc}") from exc


def answer_pieces(number: int, answer: Any) -> Iterator[bytes]:
    """Encode an answer to the request with this number, in pieces."""
    body = msgspec.json.encode(answer)
    for start in range(0, len(body), PIECE_BYTES):
        last = start + PIECE_BYTES >= len(body)
        yield _HEAD.pack(number, _LAST if last else _MORE) + body[start : start + PIECE_BYTES]


def error_piece(number: int, problem: RtmonError) -> bytes:
    """Encode an error as the answer to the request with this number."""
    return _HEAD.pack(number, _ERROR) + msgspec.json.encode(str(problem))


class Requests:
    """A reader's pending requests.

    Args:
        timeout: seconds to wait for an answer.
    """

    def __init__(self, *, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Any], type[Any], bytearray]] = {}

    async def ask(
        self, query: Request, answer: type[T], send: Callable[[str], Awaitable[None]]
    ) -> T:
        """Send a request to the server, and wait for the answer.

        Args:
            query: the query.
            answer: the type of the answer.
            send: sends a text message to the server.

        Raises:
            QueryError: the server rejected the query.
            FeedError: the server did not answer in time, or the connection was lost.
        """
        number = next(self._ids) % 2**32
        kind = next(name for name, each in _QUERIES.items() if isinstance(query, each))
        answered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (answered, answer, bytearray())
        request = {"id": number, "kind": kind, "query": query}
        try:
            await send(msgspec.json.encode(request).decode())
            async with asyncio.timeout(self._timeout):
                return await answered
        except TimeoutError:
            raise FeedError(
                f"the server did not answer a query within {self._timeout:g} s"
            ) from None
        finally:
            del self._waiting[number]

    def receive(self, data: bytes) -> None:
        """Handle a piece of an answer; ignore it if its request has been cancelled.

        Raises:
            FeedError: it is not a valid piece.
        """
        try:
            number, state = _HEAD.unpack_from(data)
            waiting = self._waiting.get(number)
            if waiting is None or waiting[0].done():
                return
            answered, kind, body = waiting
            body += data[_HEAD.size :]
            if state == _ERROR:
                answered.set_exception(QueryError(msgspec.json.decode(body, type=str)))
            elif state == _LAST:
                answered.set_result(msgspec.json.decode(body, type=kind))
        except (struct.error, msgspec.MsgspecError, UnicodeError) as exc:
            raise FeedError(f"this does not look like an answer of rtmon's: {exc}") from exc

    def lose(self) -> None:
        """Fail all pending requests after the connection was lost."""
        for answered, _, _ in self._waiting.values():
            if not answered.done():
                answered.set_exception(FeedError("the connection to the server was lost"))
