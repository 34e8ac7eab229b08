"""The table of charts: page, notebook, terminal and report all draw these.

Adding a chart means adding a row here.
"""

from __future__ import annotations

from collections.abc import Callable

from .chart import Chart, Series
from .palette import AMBER, BLUE, GREEN, ORANGE, RED, VIOLET
from .span import Span

__all__ = ["CHARTS", "RTT_WINDOW"]

RTT_WINDOW = 30.0
"""Seconds of which each RTT percentile is drawn: one keepalive interval of ``websockets`` (20 s
by default) and some more, so that every connection is in each."""


def _rate(counter: str) -> Callable[[Span], float | None]:
    return lambda span: span.rate(counter)


def _highest(gauge: str, factor: float = 1.0) -> Callable[[Span], float | None]:
    return lambda span: _times(span.highest(gauge), factor)


def _milliseconds(histogram: str, q: float) -> Callable[[Span], float | None]:
    return lambda span: _times(span.quantile(histogram, q), 1e3)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _in_and_out(kind: str) -> tuple[Series[Span], ...]:
    return tuple(
        Series(key=f"{kind}_{way}", label=way, color=color, value=_rate(f"{kind}_{way}"))
        for way, color in (("in", BLUE), ("out", ORANGE))
    )


def _percentiles(histogram: str, *percents: int) -> tuple[Series[Span], ...]:
    colors = {50: GREEN, 95: AMBER, 99: RED}
    return tuple(
        Series(
            key=f"{histogram}_p{percent}",
            label=f"p{percent}",
            color=colors[percent],
            value=_milliseconds(histogram, percent / 100),
        )
        for percent in percents
    )


CHARTS: tuple[Chart[Span], ...] = (
    Chart(
        key="open",
        title="Open connections",
        unit="",
        # The most at once: what opened and ended between two ticks was there, too.
        series=(Series(key="open", label="open", color=VIOLET, value=_highest("peak")),),
        form="area",
        whole=True,
    ),
    Chart(key="messages", title="Messages", unit="/s", series=_in_and_out("messages")),
    Chart(key="bandwidth", title="Bandwidth", unit="B/s", series=_in_and_out("bytes"), form="area"),
    Chart(
        key="rtt",
        title="Round-trip time",
        unit="ms",
        series=_percentiles("rtt", 50, 95, 99),
        window=RTT_WINDOW,
    ),
    Chart(key="lag", title="Event-loop lag", unit="ms", series=_percentiles("lag", 50, 99)),
    Chart(
        key="cpu",
        title="CPU of the server",
        unit="% of a core",
        series=(Series(key="cpu", label="CPU", color=VIOLET, value=_highest("cpu", 100.0)),),
        form="area",
    ),
    Chart(
        key="errors",
        title="Errors",
        unit="/s",
        series=(Series(key="errors", label="errors", color=RED, value=_rate("errors")),),
        form="step",
    ),
)
