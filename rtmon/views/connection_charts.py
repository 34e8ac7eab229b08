"""The charts of one connection's page, and the computation of their points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..feeds.queries import SeriesAnswer
from .chart_definition import Chart, Series
from .palette import AMBER, BLUE, ORANGE, PERCENTILES, VIOLET

__all__ = ["CONNECTION_CHARTS", "ConnectionPoint", "moments_of"]


@dataclass(frozen=True, slots=True)
class ConnectionPoint:
    """The measurements of one connection in one tick.

    Attributes:
        elapsed: seconds that the tick covers.
        values: name of a counter → its increase in this tick; name of a gauge → its value.
    """

    elapsed: float
    values: Mapping[str, float | None]

    def rate(self, counter: str) -> float | None:
        """Return the increase of a counter per second; None if unknown."""
        gained = self.values.get(counter)
        return None if gained is None or self.elapsed <= 0 else gained / self.elapsed

    def level(self, gauge: str) -> float | None:
        """Return the value of a gauge; None if unknown."""
        return self.values.get(gauge)

    def handler(self) -> float | None:
        """Return the mean handler time per message in seconds; None if no handler call finished.

        A handler call is counted in the tick in which it ends, even if its message arrived earlier.
        """
        took = self.values.get("handler_time")
        return took / max(1, self.values.get("messages_in") or 0) if took else None


def _rate(key: str, counter: str, label: str, color: str) -> Series[ConnectionPoint]:
    return Series(key=key, label=label, color=color, value=lambda moment: moment.rate(counter))


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else value * 1e3


CONNECTION_CHARTS: tuple[Chart[ConnectionPoint], ...] = (
    Chart(
        key="own_messages",
        title="Messages",
        unit="/s",
        series=(
            _rate("own_in", "messages_in", "in", BLUE),
            _rate("own_out", "messages_out", "out", ORANGE),
        ),
    ),
    Chart(
        key="own_waiting",
        title="Waiting to be read",
        unit="B",
        series=(
            Series(
                key="own_queue",
                label="waiting",
                color=ORANGE,
                value=lambda moment: moment.level("send_queue"),
            ),
        ),
        form="area",
    ),
    Chart(
        key="own_rtt",
        title="Round-trip time",
        unit="ms",
        series=(
            Series(
                key="own_ping",
                label="last ping",
                color=VIOLET,
                value=lambda moment: _milliseconds(moment.level("rtt")),
            ),
            Series(
                key="own_p99",
                label="p99",
                color=PERCENTILES[99],
                value=lambda moment: _milliseconds(moment.level("rtt_p99")),
            ),
        ),
        form="step",
    ),
    Chart(
        key="own_handler",
        title="Mean handler time",
        unit="ms",
        series=(
            Series(
                key="own_took",
                label="mean",
                color=AMBER,
                value=lambda moment: _milliseconds(moment.handler()),
            ),
        ),
    ),
)
"""The charts of one connection, in the order in which its page shows them."""


def moments_of(series: SeriesAnswer) -> dict[str, list[float | None]]:
    """Compute the points of a connection's charts.

    Args:
        series: the connection's counters and gauges, one value for each tick.

    Returns:
        ``time`` → milliseconds since 1970; key of each series of :data:`CONNECTION_CHARTS` → its
        values. A value is None if it is unknown.
    """
    moments = [
        ConnectionPoint(elapsed, {name: values[at] for name, values in series.columns.items()})
        for at, elapsed in enumerate(series.elapsed)
    ]
    drawn: dict[str, list[float | None]] = {"time": [round(time * 1e3) for time in series.times]}
    for chart in CONNECTION_CHARTS:
        for each in chart.series:
            values = [each.value(moment) for moment in moments]
            drawn[each.key] = [None if v is None else float(f"{v:.5g}") for v in values]
    return drawn
