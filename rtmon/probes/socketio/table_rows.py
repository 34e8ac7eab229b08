"""Convert the statistics of a Socket.IO server to rows of the Socket.IO table."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ...metrics.records import SocketIOInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...metrics.histogram import Histogram
    from ...metrics.socketio import SocketIOStats

__all__ = ["ROWS", "rows"]

ROWS = 100
"""Maximum number of rows of each kind: the busiest events, the largest rooms."""


def rows(stats: SocketIOStats) -> list[SocketIOInfo]:
    """Return the rows: namespaces, events, rooms, reasons, then acknowledgement and handler times.

    Args:
        stats: statistics of one server.
    """
    return [
        *islice(_namespaces(stats), ROWS),
        *islice(_events(stats), ROWS),
        *islice(_rooms(stats), ROWS),
        *islice(_reasons(stats), ROWS),
        *_times("acknowledgement", stats.ack),
        *_times("handler", stats.handler),
    ]


def _namespaces(stats: SocketIOStats) -> Iterator[SocketIOInfo]:
    for each in stats.namespaces:
        yield SocketIOInfo(
            kind="namespace",
            namespace=each.namespace,
            clients=each.open,
            connected=each.connected,
            refused=each.refused,
            left=each.disconnected,
        )


def _events(stats: SocketIOStats) -> Iterator[SocketIOInfo]:
    for each in stats.events:
        if not (each.received or each.emitted or each.errors):
            continue  # the event has a handler, and has not occurred
        yield SocketIOInfo(
            kind="event",
            namespace=each.namespace,
            name=each.event,
            received=each.received,
            emitted=each.emitted,
            errors=each.errors,
        )


def _rooms(stats: SocketIOStats) -> Iterator[SocketIOInfo]:
    for each in stats.rooms:
        yield SocketIOInfo(
            kind="room", namespace=each.namespace, name=each.room, clients=each.members
        )


def _reasons(stats: SocketIOStats) -> Iterator[SocketIOInfo]:
    for reason, count in stats.reasons.items():
        yield SocketIOInfo(kind="reason", name=reason, left=count)


def _times(kind: str, times: Histogram) -> Iterator[SocketIOInfo]:
    if times.count:
        yield SocketIOInfo(
            kind=kind,
            timed=times.count,
            p50=times.quantile(0.5),
            p95=times.quantile(0.95),
        )
