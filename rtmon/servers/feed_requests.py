"""Answer requests that readers of the feed send; see :mod:`rtmon.feeds.request_messages`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import FeedError, QueryError
from ..feeds import wire_format
from ..feeds.local_feed import LocalFeed
from ..feeds.queries import MOST_ROWS, RowsAnswer, RowsQuery
from ..feeds.request_messages import (
    Coarse,
    LabelledTick,
    LabelsAfter,
    Request,
    answer_pieces,
    error_piece,
    parse_request,
)

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from ..metrics.collector import Collector
    from ..metrics.history import History
    from ..monitor import Monitor

__all__ = ["answer_requests"]

UNSUPPORTED = 1003
"""Close code for a reader that sends something else than a request (RFC 6455, 7.4.1)."""


async def answer_requests(connection: ServerConnection, monitor: Monitor) -> None:
    """Answer the requests of one reader in order, until it disconnects.

    Answers are computed on a thread, so that a large answer does not block the event loop of the
    measured server.

    Args:
        connection: the reader's WebSocket connection.
        monitor: the Monitor whose data is requested.
    """
    async for message in connection:
        try:
            number, query = parse_request(message)
        except FeedError as problem:
            await connection.close(UNSUPPORTED, str(problem)[:100])
            return
        try:
            pieces = iter(await asyncio.to_thread(_answer, number, query, monitor))
        except QueryError as problem:
            pieces = iter([error_piece(number, problem)])
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(0)


def _answer(number: int, query: Request, monitor: Monitor) -> list[bytes]:
    if isinstance(query, RowsQuery):
        query = replace(query, limit=MOST_ROWS)
    if isinstance(query, Coarse):
        answer = _coarse(monitor.collector.history, query.before)
        return list(answer_pieces(number, list(answer)))
    if isinstance(query, LabelsAfter):
        return list(answer_pieces(number, list(_labels(monitor.collector, query))))
    answered = LocalFeed(monitor).answer_now(query)
    if isinstance(answered, RowsAnswer):
        return list(answer_pieces(number, [row.record for row in answered.rows]))
    return list(answer_pieces(number, answered))


def _coarse(history: History, before: int) -> Iterator[tuple[int, list[object]]]:
    for sample, ticks in history.level(10, ended=False):
        if sample.seq - ticks + 1 < before:
            yield ticks, wire_format.sample_row(sample)


def _labels(collector: Collector, query: LabelsAfter) -> Iterator[LabelledTick]:
    if collector.epoch == query.epoch:
        for seq, labels in collector.labels(query.after):
            yield seq, [(*key, str(histogram)) for key, histogram in labels.items()]
