"""Requests that a remote feed sends to a server over the feed's WebSocket, and the answers.

A server that supports requests has ``requests`` in the ``features`` of its ``hello`` message. A
request is a text message with a JSON object. The object has three fields: ``id``, an integer chosen
by the feed, ``kind``, and ``query``, an object whose fields depend on the kind:

``detail``
    The query has the fields of a :class:`~rtmon.feeds.queries.DetailQuery`. The answer has those
    of a :class:`~rtmon.feeds.queries.DetailAnswer`.
``members``
    The query has the fields of a :class:`~rtmon.feeds.queries.MembersQuery`. The answer has those
    of a :class:`~rtmon.feeds.queries.MembersAnswer`. Only for servers with the feature
    ``members``.
``rows``
    The query has the fields of a :class:`~rtmon.feeds.queries.RowsQuery` for a table in
    :data:`ASKED`. The answer is a list of the table's records, each a JSON object.
``labels``
    The query has ``epoch`` and ``after``, the number of a tick. The answer is a list of the last
    ticks with a greater number, each ``[seq, rows]`` with rows ``[measure, by, label, histogram]``.
    The list is empty if the server has begun another epoch. Only for servers with the feature
    ``labels``.
``coarse``
    The query has ``before``, the number of a tick. The answer is a list of the merged Samples that
    contain earlier ticks, oldest first. Each is ``[ticks, row]`` with a row as in
    :mod:`.wire_format`.

The server sends an answer as one or several binary messages. Each has three parts: the request's
``id`` in 4 bytes, big-endian; a status byte; and a piece of the answer's JSON text, at most
:data:`~rtmon.feeds.wire_format.PIECE_BYTES` bytes. The status byte is 0 if more pieces follow, 1
for the last piece, and 2 if the answer is an error message.
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
"""Feature of servers that support the request ``members``: members of a channel or room."""

_HEAD = struct.Struct("!IB")
_MORE, _LAST, _ERROR = range(3)

T = TypeVar("T")


class Coarse(msgspec.Struct, frozen=True):
    """A request for merged Samples that contain ticks with a number less than ``before``."""

    before: int


class LabelsAfter(msgspec.Struct, frozen=True):
    """A request for the labelled durations of all ticks of an epoch after tick number ``after``."""

    epoch: str
    after: int


LabelledTick = tuple[int, list[tuple[str, str, str, str]]]
"""The number of a tick, and a list of ``(measure, by, label, histogram as text)``."""

_QUERIES: dict[str, type[Any]] = {
    "detail": DetailQuery,
    "members": MembersQuery,
    "rows": RowsQuery,
    "coarse": Coarse,
    "labels": LabelsAfter,
}

Request = DetailQuery | MembersQuery | RowsQuery | Coarse | LabelsAfter

ASKED: dict[str, Any] = {"latencies": list[Latency], "addresses": list[AddressInfo]}
"""Tables that a server sends only on request: name → type of the answer."""


class _Request(msgspec.Struct):
    id: int
    kind: str
    query: msgspec.Raw


def parse_request(text: str | bytes) -> tuple[int, Request]:
    """Parse a request message, and return the request's id and query.

    Raises:
        FeedError: the message is not a valid request.
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
    """Yield the binary messages that carry an answer.

    Args:
        number: id of the request.
        answer: the answer, which is encoded as JSON.
    """
    body = msgspec.json.encode(answer)
    for start in range(0, len(body), PIECE_BYTES):
        last = start + PIECE_BYTES >= len(body)
        yield _HEAD.pack(number, _LAST if last else _MORE) + body[start : start + PIECE_BYTES]


def error_piece(number: int, problem: RtmonError) -> bytes:
    """Return the binary message by which a server answers a request with an error.

    Args:
        number: id of the request.
        problem: the error. Only its message is sent.
    """
    return _HEAD.pack(number, _ERROR) + msgspec.json.encode(str(problem))


class Requests:
    """The requests that a remote feed has sent and that the server has not answered yet.

    Args:
        timeout: seconds to wait for each answer.
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
            query: the request.
            answer: type to which the answer is decoded.
            send: coroutine function that sends a text message to the server.

        Raises:
            QueryError: the server rejected the query.
            FeedError: the server did not answer in time, or the connection closed.
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
        """Process one binary message: a piece of the answer to a request.

        The message is ignored if the request was cancelled or has timed out.

        Raises:
            FeedError: the message is invalid.
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
        """Let all pending requests fail with a FeedError, since the connection has closed."""
        for answered, _, _ in self._waiting.values():
            if not answered.done():
                answered.set_exception(FeedError("the connection to the server was lost"))
