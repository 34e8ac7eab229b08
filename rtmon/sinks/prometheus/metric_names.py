"""Derive Prometheus metrics from columns: names, units and help texts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from ...metrics.column import WIRE
from ...metrics.columns import CAUSE_COLUMNS, CHANNEL, SAMPLE, SNAPSHOT, Column

__all__ = ["CAUSES", "CHANNELS", "family", "measured", "metric_name", "prefixed"]

_UNITS = {"s": "seconds", "B": "bytes"}

_SKIPPED = frozenset({"seq", "elapsed", *CAUSE_COLUMNS})
"""Columns without a metric of their own: gauges that describe a row of the samples table instead of
the server, and the counters by cause, which together are one metric with a label.
"""

_TOTAL = {column.name: column for column in SNAPSHOT}

_ALSO = (
    _TOTAL["peak"],
    # The Sample's columns cover the last tick only, not the time between two scrapes.
    Column("cpu", "counter", "s", "Float64", "CPU time that the process has used."),
    Column(
        "own",
        "counter",
        "s",
        "Float64",
        "Time that the Monitor itself has taken for its ticks, including data for feeds and sinks.",
    ),
    _TOTAL["uptime"],
    Column(
        "probe_failures",
        "counter",
        "failures",
        "Int64",
        "Exceptions inside probes. Each may have made some counters too low.",
    ),
    Column(
        "uncounted",
        "counter",
        "connections",
        "Int64",
        "Connections and ASGI requests on an event loop that is not measured. No other metric "
        "includes them.",
    ),
    Column(
        "failing_sinks",
        "gauge",
        "sinks",
        "Int64",
        "Sinks whose writing fails at present, such as on a full disk, and is retried.",
    ),
    Column(
        "waiting_ticks",
        "gauge",
        "ticks",
        "Int64",
        "Ticks that are queued for the slowest sink. At 60, further ticks are dropped.",
    ),
)
"""Metrics that are not a column of the Sample, or have another meaning than that column."""

CAUSES = Column(
    "close_causes",
    "tally",
    "connections",
    "Int64",
    "Closed connections by the cause of their end, which explains close codes such as 1006. The "
    "cause is unknown if the transport does not report it.",
)


def prefixed(column: Column, prefix: str, about: str) -> Column:
    """Return a copy of a column, with a prefix before its name and before its definition."""
    definition = f"{about}: {column.definition[0].lower()}{column.definition[1:]}"
    return dataclasses.replace(column, name=f"{prefix}_{column.name}", definition=definition)


CHANNELS = tuple(
    prefixed(column, "channel", "Per channel") for column in CHANNEL if column.name != "channel"
)
"""Metrics of channels; they have the label ``channel``."""


def measured() -> tuple[Column, ...]:
    """Return a column for each metric of the server: those of a Sample, then the other metrics."""
    table = {column.name: column for column in (*SAMPLE, *_ALSO)}
    return tuple(
        column
        for column in table.values()
        if not (column.derived or column.kind in {"text", "time"} or column.name in _SKIPPED)
    )


def metric_name(column: Column) -> str:
    """Return a column's name as a metric, by the conventions of Prometheus.

    The name has the prefix ``rtmon`` and the unit at the end, unless the name contains the unit:
    ``messages_in`` becomes ``rtmon_messages_in``, ``opened`` becomes ``rtmon_opened_connections``.
    In ``bytes_in`` the unit is not at the end, so it becomes ``rtmon_payload_in_bytes``. The suffix
    ``_total`` of counters and tallies is added when they are written.
    """
    words = column.name.split("_")
    unit = _UNITS.get(column.unit, column.unit)
    if column.unit in _UNITS and words[-1] != unit:
        words = ["payload" if word == unit else word for word in words]
    if column.kind != "tally" and unit not in words:
        words.append(unit)
    return "_".join(["rtmon", *words])


def _help(column: Column) -> str:
    """Return the help text of a metric: the column's definition without rtmon's own terms.

    In a Sample, counters are increases; as metrics they are totals. Gauges are current values.
    Unknown values are omitted, so the text about null is removed.
    """
    text = re.sub(r" (during|at the end of) the Sample|; null [^;.]*", "", column.definition)
    if column.probes == WIRE:
        text += " Known only of connections of the library websockets."
    columns = {other.name: other for other in SAMPLE if "_" in other.name}
    return re.sub(
        r"\b\w+_\w+\b",
        lambda word: f"{metric_name(columns[word[0]])}_total" if word[0] in columns else word[0],
        text,
    )


def family(column: Column, labels: Sequence[str] = ()) -> Any:
    """Return a metric without values, of the type that fits the column's kind."""
    name = metric_name(column)
    unit = _UNITS.get(column.unit, column.unit)
    if column.kind == "tally":
        labels = [column.name.rpartition("_")[2].removesuffix("s")]
    about: dict[str, Any] = {"unit": unit if name.endswith(f"_{unit}") else "", "labels": labels}
    if column.kind == "histogram":
        return HistogramMetricFamily(name, _help(column), **about)
    if column.kind == "gauge":
        return GaugeMetricFamily(name, _help(column), **about)
    return CounterMetricFamily(name, _help(column), **about)
