"""Types that define a chart: title, unit, series, colours, and a function for each value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .number_format import scaled, three

__all__ = ["DASHES", "Chart", "Form", "Measure", "Series"]

S = TypeVar("S")
"""Type of a chart's input: what the functions that compute its values get, e.g. MergedSamples."""

DASHES = (("solid", ""), ("dashed", "7 3"), ("dotted", "2 3"))
"""Dash patterns of a chart's first, second and third series: name, and SVG ``stroke-dasharray``.

With dash patterns, series can be told apart without seeing colours.
"""

Form = Literal["line", "area", "step"]
"""How a chart draws its series: lines, filled areas, or steps. The step of a point covers the time
before that point."""

Measure = Literal["rate", "level", "quantile"]
"""How a series is computed from a column of the samples table: ``rate`` is a counter's increase per
second, ``level`` the value of a gauge, ``quantile`` a quantile of a histogram in seconds."""


@dataclass(frozen=True, kw_only=True)
class Series(Generic[S]):
    """One series of a chart.

    Attributes:
        key: the id of the series in chart data; unique among the charts that a page shows.
        label: the series' name in the chart's legend.
        color: the CSS colour of the line, from :mod:`rtmon.views.palette`.
        value: computes the value of one point, in the chart's unit; None is drawn as a gap.
        width: width of the line in pixels. A wider line stays visible under the line of another
            series with equal values.
        column: the column of the samples table that the series shows; "" if it shows no single
            column.
        measure: how the series is computed from that column.
        factor: number by which a gauge or quantile is multiplied to get the chart's unit.
    """

    key: str
    label: str
    color: str
    value: Callable[[S], float | None]
    width: float = 1.8
    column: str = ""
    measure: Measure = "level"
    factor: float = 1.0

    def of_column(self, value: float | None, elapsed: float) -> float | None:
        """Compute a point's value on the chart from the value of :attr:`column`.

        Args:
            value: the column's value for this point; None if unknown.
            elapsed: seconds that the point covers.

        Returns:
            The value in the chart's unit; None if it is unknown.
        """
        if value is None:
            return None
        if self.measure == "rate":
            return value / elapsed if elapsed > 0 else None
        return value * self.factor


@dataclass(frozen=True, kw_only=True)
class Chart(Generic[S]):
    """A chart over time, with a value axis from zero.

    Attributes:
        key: the chart's id, in URLs, style sheets and tests.
        title: the chart's title.
        unit: the unit of the values, such as ``ms`` or ``B/s``.
        series: the series of the chart. The first one is drawn on top of the others.
        form: how the series are drawn: as lines, filled areas or steps.
        window: time span in seconds of the Samples from which a live point is computed; 0 to
            compute it from one Sample.
        whole: True if values are whole numbers, so that the axis has no fractions.
        brief: True if small views, such as a terminal, show the chart, too.
    """

    key: str
    title: str
    unit: str
    series: tuple[Series[S], ...]
    form: Form = "line"
    window: float = 0.0
    whole: bool = False
    brief: bool = True

    def text(self, value: float | None) -> str:
        """Format a value with three significant digits and this chart's unit: ``1.86 kB/s``."""
        if self.prefixed or value is None:
            number, unit = scaled(value, self.unit)
        else:
            number, unit = three(value), self.unit.split(" ")[0]
        return f"{number} {unit}".rstrip()

    @property
    def prefixed(self) -> bool:
        """True if the chart's unit takes SI prefixes: ``1.86 kB/s`` or MB, but ``1,860 ms``."""
        return self.unit.endswith("/s") or self.unit == "B"
