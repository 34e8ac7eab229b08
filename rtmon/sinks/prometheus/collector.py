"""Answer Prometheus scrapes with the metrics of a Monitor."""

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
    "close_codes": (
        *range(1000, 1004),
        *range(1005, 1015),
    ),  # RFC 6455, 7.4.1, and IANA
    "close_causes": (*get_args(Cause), "unknown"),
}
"""Label values that have a series from the start. Otherwise the series of the first failed handler
would begin with the value 1, and Prometheus would see no increase. The number of other label values
is limited."""

_EOF = b"# EOF\n"
"""End of a text in OpenMetrics format."""


def families() -> Iterator[Metric]:
    """Yield all metrics without values, in order: with name, type, unit and help text."""
    yield _info({})
    for column in (*measured(), CAUSES):
        yield family(column)
    for column in CHANNELS:
        yield family(column, labels=["channel"])
    yield from socketio.families()


def registry(monitor: TickSource) -> CollectorRegistry:
    """Return a registry with one Monitor's metrics, for code that exposes the metrics itself.

    The registry stores no values. It reads them from the Monitor each time that it is collected,
    which may happen on any thread.

    Args:
        monitor: the Monitor to expose.
    """
    made = CollectorRegistry()
    made.register(MonitorCollector(monitor))
    return made


async def exposition(monitor: TickSource, accept: str = "") -> tuple[bytes, str]:
    """Return the response to one scrape of a Monitor.

    After each metric, other tasks of the event loop can run.

    Args:
        monitor: the Monitor to expose.
        accept: the request's ``Accept`` header, which selects OpenMetrics or Prometheus' own text
            format. An empty header selects Prometheus' format.

    Returns:
        The body, and its content type.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # the version in the Accept header is not a number
        encode, content_type = choose_encoder("")
    pieces: list[bytes] = []
    end = b""
    for metric in list(MonitorCollector(monitor).collect()):
        piece = encode(_One(metric))
        end = _EOF if piece.endswith(_EOF) else b""
        pieces.append(piece.removesuffix(_EOF))
        await asyncio.sleep(0)  # encoding all metrics at once would block for milliseconds
    return b"".join([*pieces, end]), content_type


class _One:
    """A collector with a single metric, because the encoder takes a collector."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class MonitorCollector:
    """A collector of prometheus_client that yields a Monitor's metrics."""

    def __init__(self, monitor: TickSource) -> None:
        self._monitor = monitor

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without values, so that a registry can detect duplicate names."""
        return families()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics: channels and Socket.IO as of now, all others as of the last tick."""
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
            if value is None and column.kind == "gauge":  # some gauges are only in a Sample
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
    """Return the counts of a tally by label, for a bounded number of labels.

    A tally keeps its keys in the order of their first occurrence. So a key that has its own time
    series keeps it, and the values of a series never decrease. Keys above the bound are counted as
    ``other``.
    """
    labels = dict.fromkeys(map(str, known), 0)
    limit = len(labels) + LABELS
    for key, count in tally.items():
        label = str(key) if str(key) in labels or len(labels) < limit else "other"
        labels[label] = labels.get(label, 0) + count
    return labels
