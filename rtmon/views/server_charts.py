"""All charts of a server's measurements, drawn by dashboard, notebook, terminal and HTML report.

To add a chart to all of these views, add a row to :data:`CHARTS`.
"""

from __future__ import annotations

from ..metrics.close_causes import CAUSES, UNKNOWN, cause_column
from .chart_definition import Chart, Series
from .merged_samples import MergedSamples
from .palette import AMBER, BLUE, GREEN, ORANGE, PERCENTILES, RED, VIOLET

__all__ = ["BRIEF", "CHARTS", "RTT_WINDOW", "SERIES"]

RTT_WINDOW = 30.0
"""Seconds of Samples that an RTT percentile is computed from. It is a little more than the
keepalive interval of ``websockets`` (20 s by default), so that every connection has a ping in it.
"""

RATIO_WINDOW = 10.0
"""Seconds of Samples that a compression ratio is computed from. One second would be too short:
it may contain only ping frames, which are not compressed."""


def _rate(counter: str, label: str, color: str, *, key: str = "") -> Series[MergedSamples]:
    return Series(
        key=key or counter,
        label=label,
        color=color,
        value=lambda span: span.rate(counter),
        column=counter,
        measure="rate",
    )


def _level(gauge: str, label: str, color: str, *, factor: float = 1.0) -> Series[MergedSamples]:
    return Series(
        key=gauge,
        label=label,
        color=color,
        value=lambda span: _times(span.highest(gauge), factor),
        column=gauge,
        factor=factor,
    )


def _milliseconds(histogram: str, percent: int, color: str) -> Series[MergedSamples]:
    return Series(
        key=f"{histogram}_p{percent}",
        label=f"p{percent}",
        color=color,
        value=lambda span: _times(span.quantile(histogram, percent / 100), 1e3),
        column=f"{histogram}_p{percent}",
        measure="quantile",
        factor=1e3,
    )


def _ratio(direction: str, color: str) -> Series[MergedSamples]:
    return Series(
        key=f"ratio_{direction}",
        label=direction,
        color=color,
        value=lambda span: span.ratio(f"bytes_{direction}", f"wire_{direction}"),
        column=f"ratio_{direction}",
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _in_and_out(kind: str) -> tuple[Series[MergedSamples], ...]:
    return (_rate(f"{kind}_in", "in", BLUE), _rate(f"{kind}_out", "out", ORANGE))


def _percentiles(histogram: str, *percents: int) -> tuple[Series[MergedSamples], ...]:
    return tuple(_milliseconds(histogram, percent, PERCENTILES[percent]) for percent in percents)


def _causes() -> tuple[Series[MergedSamples], ...]:
    """Return a series for each cause for which connections end.

    There are only six colours. The most common causes come first, so that they have different
    colours.
    """
    first = ("closed", "ping timeout", "handler failed", "peer vanished", "slow consumer")
    ordered = [*first, *(cause for cause in (*CAUSES, UNKNOWN) if cause not in first)]
    hues = (GREEN, AMBER, RED, VIOLET, ORANGE, BLUE)
    return tuple(
        _rate(cause_column(cause), cause, hues[at % len(hues)]) for at, cause in enumerate(ordered)
    )


CHARTS: tuple[Chart[MergedSamples], ...] = (
    Chart(
        key="open",
        title="Open connections",
        unit="",
        # Not the column "peak", the maximum within a tick: the tile and the table also show "open".
        series=(_level("open", "open", VIOLET),),
        form="area",
        whole=True,
    ),
    Chart(key="messages", title="Messages", unit="/s", series=_in_and_out("messages")),
    Chart(key="bandwidth", title="Payload", unit="B/s", series=_in_and_out("bytes"), form="area"),
    Chart(
        key="rtt",
        title="Round-trip time",
        unit="ms",
        series=_percentiles("rtt", 50, 95, 99),
        window=RTT_WINDOW,
    ),
    Chart(
        key="arrivals",
        title="Opened, closed, rejected",
        unit="/s",
        series=(
            _rate("opened", "opened", BLUE),
            _rate("closed", "closed", VIOLET),
            _rate("rejected", "rejected", RED),
        ),
        brief=False,
    ),
    Chart(key="wire", title="On the wire", unit="B/s", series=_in_and_out("wire"), brief=False),
    Chart(
        key="ratio",
        title="Compression ratio",
        unit="×",
        series=(_ratio("in", BLUE), _ratio("out", ORANGE)),
        window=RATIO_WINDOW,
        brief=False,
    ),
    Chart(
        key="handler",
        title="Handler time",
        unit="ms",
        series=_percentiles("handler", 50, 95, 99),
        brief=False,
    ),
    Chart(
        key="delivery",
        title="Delivery time",
        unit="ms",
        series=_percentiles("fanout", 50, 95, 99),
        brief=False,
    ),
    Chart(
        key="queue",
        title="Send queues",
        unit="B",
        series=(_level("send_queue", "waiting", ORANGE),),
        form="area",
        brief=False,
    ),
    Chart(
        key="queue_age",
        title="Age of send queues",
        unit="s",
        series=(_level("queue_age", "has waited", AMBER),),
        form="area",
        brief=False,
    ),
    Chart(
        key="slow",
        title="Slow readers",
        unit="",
        series=(_level("slow", "waiting over 1 s", AMBER),),
        form="step",
        whole=True,
        brief=False,
    ),
    Chart(
        key="dropped",
        title="Dropped messages",
        unit="/s",
        series=(_rate("dropped", "dropped", AMBER),),
        form="step",
        brief=False,
    ),
    Chart(key="lag", title="Event-loop lag", unit="ms", series=_percentiles("lag", 50, 99)),
    Chart(
        key="cpu",
        title="CPU of the server",
        unit="% of a core",
        series=(_level("cpu", "CPU", VIOLET, factor=100.0),),
        form="area",
    ),
    Chart(
        key="memory",
        title="Memory of the server",
        unit="B",
        series=(_level("memory", "memory", VIOLET),),
        brief=False,
    ),
    Chart(
        key="errors",
        title="Errors",
        unit="/s",
        series=(_rate("errors", "errors", RED),),
        form="step",
    ),
    Chart(
        key="causes",
        title="Closed, by cause",
        unit="/s",
        series=_causes(),
        form="step",
        brief=False,
    ),
)
"""All server charts, in the order in which a page shows them."""

BRIEF: tuple[Chart[MergedSamples], ...] = tuple(chart for chart in CHARTS if chart.brief)
"""The server charts that are also shown in small views, such as a terminal."""

SERIES: tuple[Series[MergedSamples], ...] = tuple(
    series for chart in CHARTS for series in chart.series
)
"""The series of all server charts, in the order of :data:`CHARTS`."""
