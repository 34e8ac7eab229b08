"""Prometheus metrics of Socket.IO servers. The Socket.IO probe bounds their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...metrics.columns import SOCKETIO, Column
from ...metrics.histogram import Histogram
from .histogram_buckets import cumulative
from .metric_names import family, prefixed

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ...metrics.socketio import SocketIOStats

__all__ = ["families", "metrics"]


_TABLE = {column.name: prefixed(column, "socketio", "Socket.IO") for column in SOCKETIO}


def _counter(name: str, unit: str, definition: str) -> Column:
    return Column(f"socketio_{name}", "counter", unit, "Int64", f"Socket.IO: {definition}")


def _gauge(name: str, unit: str, definition: str) -> Column:
    return Column(f"socketio_{name}", "gauge", unit, "Int64", f"Socket.IO: {definition}")


_NAMESPACES = {
    "open": _gauge("clients", "clients", "clients in the namespace."),
    "connected": _TABLE["connected"],
    "refused": _TABLE["refused"],
    "disconnected": _counter("left", "clients", "clients that have left the namespace."),
    "rooms": _gauge("rooms", "rooms", "rooms of the namespace that the application has made."),
    "memberships": _gauge(
        "memberships",
        "memberships",
        "memberships of clients in rooms that the application has made: a client in two rooms "
        "counts twice.",
    ),
}
"""Attribute of a namespace's statistics → the column of its metric."""

_EVENTS = {name: _TABLE[name] for name in ("received", "emitted", "errors")}
"""Attribute of an event's statistics → the column of its metric."""

_REASONS = Column(
    "socketio_leave_reasons",
    "tally",
    "clients",
    "Int64",
    "Socket.IO: clients that have left a namespace, by python-socketio's reason.",
)

_UPGRADES = _counter(
    "upgraded",
    "connections",
    "connections that began by polling and went on over a WebSocket.",
)

_ACK = Column(
    "socketio_ack",
    "histogram",
    "s",
    "string",
    "Socket.IO: time from emitting an event until a client has acknowledged it.",
)

_OF_NAMESPACE, _OF_EVENT, _OF_REASON = ("namespace",), ("namespace", "event"), ("reason",)


def families() -> Iterator[Metric]:
    """Yield all Socket.IO metrics without values."""
    for column in _NAMESPACES.values():
        yield family(column, _OF_NAMESPACE)
    for column in _EVENTS.values():
        yield family(column, _OF_EVENT)
    for column in (_REASONS, _UPGRADES, _ACK):
        yield family(column)


def metrics(servers: Sequence[SocketIOStats]) -> Iterator[Metric]:
    """Yield the metrics, summed over all servers; none without a server or without values."""
    if not servers:
        return
    namespaces = [one for stats in servers for one in stats.namespaces]
    yield from _told(namespaces, _NAMESPACES, _OF_NAMESPACE)
    events = [one for stats in servers for one in stats.events]
    yield from _told(events, _EVENTS, _OF_EVENT)
    reasons = (((name,), n) for stats in servers for name, n in stats.reasons.items())
    yield from _summed(_REASONS, _OF_REASON, reasons)
    yield from _summed(_UPGRADES, (), (((), stats.upgrades) for stats in servers))
    times = Histogram.merged(stats.ack for stats in servers)
    acknowledged = family(_ACK)
    acknowledged.add_metric([], cumulative(times), times.sum)
    yield acknowledged


def _told(
    records: Sequence[object], columns: Mapping[str, Column], labels: Sequence[str]
) -> Iterator[Metric]:
    """Yield a metric for each column, with the values of the records that are not None."""
    for name, column in columns.items():
        values = (
            (tuple(getattr(one, label) for label in labels), value)
            for one in records
            if (value := getattr(one, name)) is not None
        )
        yield from _summed(column, labels, values)


def _summed(
    column: Column, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], int]]
) -> Iterator[Metric]:
    """Yield a metric with one value for each combination of labels; none without values."""
    sums: dict[tuple[str, ...], int] = {}
    for key, value in values:
        sums[key] = sums.get(key, 0) + value
    if sums:
        metric = family(column, labels)
        for key, value in sums.items():
            metric.add_metric(key, value)
        yield metric
