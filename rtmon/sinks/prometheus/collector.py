"""Serve scrapes: read the state of a Monitor on each request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily

from ... import __version__
from ...metrics.close_causes import Cause
from ...metrics.columns import LABELS, Column
from ...metrics.histogram import Histogram
from ...metrics.safe_text import safe_text
from . import socketio
from .histogram_buckets import cumulative
from .metric_names import CAUSES, CHANNELS, family, measured

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ...metrics.monitor_interfaces import TickSource
    from ...metrics.records import ChannelInfo

__all__ = ["MonitorCollector", "exposition", "families", "registry"]

_KNOWN: Mapping[str, tuple[object, ...]] = {
    "close_codes": (*range(1000, 1004), *range(1005, 1015)),  # RFC 6455, 7.4.1, and its registry
    "close_causes": (*get_args(Cause), "unknown"),
}
"""Labels that have a series from the start: for Prometheus a series that begins at 1 has not
increased, so the first handler to fail would go unnoticed. The limit is for the others."""

_EOF = b"# EOF\n"
"""Ends a text in OpenMetrics format."""


def families() -> Iterator[Metric]:
    """Return all metrics in order, with names, types, units and meanings."""
    yield _info({})
    for column in (*measured(), CAUSES):
        yield family(column)
    for column in CHANNELS:
        yield family(column, labels=["channel"])
    yield from socketio.families()


def registry(monitor: TickSource) -> CollectorRegistry:
    """Return a registry of one Monitor's metrics, to expose by other means.

    It holds no numbers itself: it reads them from the Monitor when it is collected, on any
    thread.

    Args:
        monitor: the Monitor to expose.
    """
    made = CollectorRegistry()
    made.register(MonitorCollector(monitor))
    return made


async def exposition(monitor: TickSource, accept: str = "") -> tuple[bytes, str]:
    """Return one scrape of a Monitor; yields to the event loop after each metric.

    Args:
        monitor: the Monitor to expose.
        accept: the request's Accept header: OpenMetrics or, without it, Prometheus' own text.

    Returns:
        The body and its content type.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # what it says of a version that is no number
        encode, content_type = choose_encoder("")
    pieces: list[bytes] = []
    end = b""
    for metric in list(MonitorCollector(monitor).collect()):
        piece = encode(_One(metric))
        end = _EOF if piece.endswith(_EOF) else b""
        pieces.append(piece.removesuffix(_EOF))
        await asyncio.sleep(0)  # writing all of them at once would take milliseconds
    return b"".join([*pieces, end]), content_type


class _One:
    """A metric as a collector."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class MonitorCollector:
    """A prometheus_client collector of a Monitor's metrics."""

    def __init__(self, monitor: TickSource) -> None:
        self._monitor = monitor

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without values, by which a registry detects duplicate names."""
        return families()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as of the last tick; those of channels and Socket.IO are current."""
        monitor = self._monitor
        snapshot = monitor.collector.published() or monitor.snapshot()
        latest = monitor.collector.history.latest()
        node = safe_text(snapshot.node) or ""
        yield _info({"node": node, "epoch": snapshot.epoch, "version": __version__})
        now = {
            "probe_failures": monitor.probe_failures,
            "uncounted": monitor.uncounted,
            "failing_sinks": monitor.failing_sinks,
            "waiting_ticks": monitor.waiting_ticks,
            "cpu": monitor.cpu_seconds,
            "own": monitor.own_seconds,
        }
        for column in measured():
            value = now.get(column.name, getattr(snapshot, column.name, None))
            if value is None and column.kind == "gauge":  # of some only a Sample knows
                value = getattr(latest, column.name, None)
            if value is not None:
                yield _filled(column, value)
        yield _filled(CAUSES, monitor.collector.close_causes())
        yield from _channels(monitor.collector.channel_series())
        yield from socketio.metrics(monitor.collector.socketio_totals())


def _info(labels: dict[str, str]) -> Metric:
    return InfoMetricFamily(
        "rtmon",
        "The Monitor: its node, the epoch in which counting began, and rtmon's version.",
        labels,
    )


def _channels(series: Sequence[ChannelInfo]) -> Iterator[Metric]:
    for column in CHANNELS if series else ():
        metric = family(column, labels=["channel"])
        for info in series:
            value = getattr(info, column.name.removeprefix("channel_"))
            metric.add_metric([safe_text(info.channel)], value)
        yield metric


def _filled(column: Column, value: Any) -> Metric:
    filled: Any = family(column)
    if isinstance(value, Histogram):
        filled.add_metric([], cumulative(value), value.sum)
    elif isinstance(value, Mapping):
        for label, count in _bounded(value, _KNOWN.get(column.name, ())).items():
            filled.add_metric([label], count)
    else:
        filled.add_metric([], value)
    metric: Metric = filled
    return metric


def _bounded(tally: Mapping[Any, int], known: Iterable[object]) -> dict[str, int]:
    """Return a tally by label, with a bounded number of labels.

    A tally keeps its keys in the order in which they first came, so those that have a series
    of their own keep it, and no series ever falls.
    """
    labels = dict.fromkeys(map(str, known), 0)
    limit = len(labels) + LABELS
    for key, count in tally.items():
        label = str(key) if str(key) in labels or len(labels) < limit else "other"
        labels[label] = labels.get(label, 0) + count
    return labels
