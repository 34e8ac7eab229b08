"""A Monitor's numbers for Prometheus; needs the extra ``prometheus``.

The admin listener serves them at ``/metrics``. Whoever exposes metrics by other means takes
:func:`registry`.

Nothing is counted twice: a collector reads the totals that the last tick published when it is
scraped, so a scrape costs the same with one connection and with ten thousand. Which metrics
there are follows from :data:`rtmon.metrics.columns.SAMPLE`; what is not known is left out.

Labels are bounded. No label holds what tells one connection from another, and of the close
codes that applications choose, and of a hub's channels, the first
:data:`rtmon.metrics.columns.LABELS` have a series of their own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import MissingExtra
from ..metrics.columns import CHANNEL, LABELS, SAMPLE, Column
from ..metrics.histogram import Histogram, bucket
from ..metrics.meter import safe_text

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        Metric,
    )
    from prometheus_client.utils import floatToGoString
except ImportError:
    raise MissingExtra("/metrics", "prometheus_client", "prometheus") from None

if TYPE_CHECKING:
    from ..metrics.records import ChannelInfo
    from ..monitor import Monitor

__all__ = ["BOUNDS", "exposition", "families", "registry"]

BOUNDS: tuple[int, ...] = tuple((1 << power) - 1 for power in range(4, 27))
"""Upper bounds of every histogram, in steps of its resolution: 15 µs to 67 s, 15 B to 64 MiB.

Prometheus counts a value that equals a bound below it. A bucket of
:mod:`rtmon.metrics.histogram` begins at every power of two, so the buckets before it hold
exactly the values up to the power minus one step: no value is ever counted on the wrong side.
"""

_KNOWN: Mapping[str, tuple[int, ...]] = {
    "close_codes": (*range(1000, 1004), *range(1005, 1015)),  # RFC 6455, 7.4.1, and its registry
}
"""Labels that have a series from the start: for Prometheus a series that begins at 1 has not
increased, so the first handler to fail would go unnoticed. The limit is for the others."""

_EOF = b"# EOF\n"
"""Ends a text in OpenMetrics format."""

_UNITS = {"s": "seconds", "B": "bytes"}

_SKIPPED = frozenset({"seq", "elapsed"})
"""Gauges that describe a row of the samples table rather than the server."""

_ALSO = (
    Column(
        "peak", "gauge", "connections", "Int64", "Most connections open at once since the start."
    ),
    Column(
        "uptime",
        "gauge",
        "s",
        "Float64",
        "Time since the Monitor began to count, by the monotonic clock.",
    ),
    Column(
        "probe_failures",
        "counter",
        "failures",
        "Int64",
        "Exceptions inside a probe: each may have left something uncounted.",
    ),
)
"""What is told besides the columns of a Sample, or in another sense than there."""


_CHANNEL = tuple(
    dataclasses.replace(
        column,
        name=f"channel_{column.name}",
        definition=f"Per channel: {column.definition[0].lower()}{column.definition[1:]}",
    )
    for column in CHANNEL
    if column.name != "channel"
)
"""What is told of channels, each with a label ``channel``."""


def _columns() -> tuple[Column, ...]:
    """The columns that become metrics, in order."""
    table = {column.name: column for column in (*SAMPLE, *_ALSO)}
    return tuple(
        column
        for column in table.values()
        if not (column.derived or column.kind in {"text", "time"} or column.name in _SKIPPED)
    )


def _metric_name(column: Column) -> str:
    """A column's name as Prometheus wants it: prefixed, the unit in words at its end.

    What is counted is named once: ``messages_in`` stays, ``opened`` becomes
    ``rtmon_opened_connections``. ``bytes_in`` has its unit at the wrong end, and becomes
    ``rtmon_payload_in_bytes``. Counters and tallies get their ``_total`` where they are written.
    """
    words = column.name.split("_")
    unit = _UNITS.get(column.unit, column.unit)
    if column.unit in _UNITS and words[-1] != unit:
        words = ["payload" if word == unit else word for word in words]
    if column.kind != "tally" and unit not in words:
        words.append(unit)
    return "_".join(["rtmon", *words])


def families() -> Iterator[Metric]:
    """The metrics there are, in order, with their names, types, units and meanings."""
    yield _info({})
    for column in _columns():
        yield _family(column)
    for column in _CHANNEL:
        yield _family(column, labels=["channel"])


def registry(monitor: Monitor) -> CollectorRegistry:
    """A registry of one Monitor's metrics, to expose by means of your own.

    It holds no numbers itself: it reads them from the Monitor when it is collected, on any
    thread.

    Args:
        monitor: what to tell of.
    """
    made = CollectorRegistry()
    made.register(_MonitorCollector(monitor))
    return made


async def exposition(monitor: Monitor, accept: str = "") -> tuple[bytes, str]:
    """One scrape of a Monitor, in which the event loop gets its turn after each metric.

    Args:
        monitor: what to tell of.
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
    for metric in list(_MonitorCollector(monitor).collect()):
        piece = encode(_One(metric))
        end = _EOF if piece.endswith(_EOF) else b""
        pieces.append(piece.removesuffix(_EOF))
        await asyncio.sleep(0)  # writing all of them at once would take milliseconds
    return b"".join([*pieces, end]), content_type


class _One:
    """A metric as something that can be collected."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class _MonitorCollector:
    """What prometheus_client asks for the metrics of a Monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def describe(self) -> Iterator[Metric]:
        """The metrics without values, by which a registry tells names that are taken."""
        return families()

    def collect(self) -> Iterator[Metric]:
        """The metrics as of the last tick; those of channels as of now."""
        monitor = self._monitor
        snapshot = monitor.collector.published() or monitor.snapshot()
        latest = monitor.collector.history.latest()
        node = safe_text(snapshot.node) or ""
        yield _info({"node": node, "epoch": snapshot.epoch, "version": __version__})
        for column in _columns():
            value = getattr(snapshot, column.name, None)
            if column.name == "probe_failures":
                value = monitor.probe_failures
            elif value is None and column.kind == "gauge":  # of some only a Sample knows
                value = getattr(latest, column.name, None)
            if value is not None:
                yield _filled(column, value)
        yield from _channels(monitor.collector.channel_series())


def _info(labels: dict[str, str]) -> Metric:
    return InfoMetricFamily(
        "rtmon",
        "The Monitor: its node, the epoch in which counting began, and rtmon's version.",
        labels,
    )


def _channels(series: Sequence[ChannelInfo]) -> Iterator[Metric]:
    for column in _CHANNEL if series else ():
        family = _family(column, labels=["channel"])
        for info in series:
            value = getattr(info, column.name.removeprefix("channel_"))
            family.add_metric([safe_text(info.channel)], value)
        yield family


def _family(column: Column, labels: Sequence[str] = ()) -> Any:
    """A metric without values."""
    name = _metric_name(column)
    unit = _UNITS.get(column.unit, column.unit)
    # A Sample's counters are increases; here they are totals, and gauges are of now.
    text = re.sub(" (during|at the end of) the Sample", "", column.definition)
    if column.kind == "tally":
        labels = [column.name.rpartition("_")[2].removesuffix("s")]
    about: dict[str, Any] = {"unit": unit if name.endswith(f"_{unit}") else "", "labels": labels}
    if column.kind == "histogram":
        return HistogramMetricFamily(name, text, **about)
    if column.kind == "gauge":
        return GaugeMetricFamily(name, text, **about)
    return CounterMetricFamily(name, text, **about)


def _filled(column: Column, value: Any) -> Metric:
    family: Any = _family(column)
    if isinstance(value, Histogram):
        family.add_metric([], _cumulative(value), value.sum)
    elif isinstance(value, Mapping):
        for label, count in _bounded(value, _KNOWN.get(column.name, ())).items():
            family.add_metric([label], count)
    else:
        family.add_metric([], value)
    metric: Metric = family
    return metric


def _cumulative(histogram: Histogram) -> list[tuple[str, int]]:
    """How many values do not exceed each bound, and how many there are."""
    buckets: list[tuple[str, int]] = []
    counts = sorted(histogram.counts.items(), reverse=True)
    seen = 0
    for end, le in _ends(histogram.resolution):
        while counts and counts[-1][0] < end:
            seen += counts.pop()[1]
        buckets.append((le, seen))
    return [*buckets, ("+Inf", seen + sum(count for _, count in counts))]


@functools.cache
def _ends(resolution: float) -> list[tuple[int, str]]:
    """For each bound, the first of rtmon's buckets past it, and the bound as a label."""
    return [
        # Twelve digits say every bound exactly, without the noise of multiplying by 1e-6.
        (bucket(bound + 1), floatToGoString(float(f"{bound * resolution:.12g}")))  # type: ignore[no-untyped-call]
        for bound in BOUNDS
    ]


def _bounded(tally: Mapping[int, int], known: Iterable[int]) -> dict[str, int]:
    """A tally by label, of a bounded number of labels.

    A tally keeps its keys in the order in which they first came, so those that have a series
    of their own keep it, and no series ever falls.
    """
    labels = dict.fromkeys(map(str, known), 0)
    limit = len(labels) + LABELS
    for key, count in tally.items():
        label = str(key) if str(key) in labels or len(labels) < limit else "other"
        labels[label] = labels.get(label, 0) + count
    return labels
