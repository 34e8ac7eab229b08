"""Describe a chart: its series, their colours, and how each value is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .number_format import scaled, three

__all__ = ["DASHES", "Chart", "Form", "Measure", "Series"]

S = TypeVar("S")
"""Type from which the values of a chart are computed, such as merged Samples."""

DASHES = (("solid", ""), ("dashed", "7 3"), ("dotted", "2 3"))
"""Dash patterns of a chart's series, in order, so that they differ without colours: in words, and
as SVG's ``stroke-dasharray``."""

Form = Literal["line", "area", "step"]
"""Lines, filled areas, or steps that hold before each point."""

Measure = Literal["rate", "level", "quantile"]
"""How a series is computed from its column: the rate of a counter, the value of a gauge, or a
quantile in seconds."""


@dataclass(frozen=True, kw_only=True)
class Series(Generic[S]):
    """One series of a chart.

    Attributes:
        key: its name in rows of data; unique among the charts that are shown together.
        label: its name in the legend.
        color: its colour, from :mod:`rtmon.views.palette`.
        value: computes the value of one point, in the chart's unit; None is drawn as a gap.
        width: width of the line in pixels. A wider line stays visible under the next series.
        column: its column of the samples table, if any.
        measure: how the series is computed from that column.
        factor: multiplier for the chart's unit.
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
        """Compute the value of a point from its column.

        Args:
            value: the column's value; None if unknown.
            elapsed: seconds of the point.
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
        key: its name, for addresses, styles and tests.
        title: its title.
        unit: the unit of the values.
        series: the series, the first one on top.
        form: lines, areas or steps.
        window: seconds over which the value of a live point is computed; 0 for one Sample.
        whole: True if values are whole numbers.
        brief: True to draw it also in small views, such as a terminal.
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
        """Format a value in this chart's unit."""
        if self.prefixed or value is None:
            number, unit = scaled(value, self.unit)
        else:
            number, unit = three(value), self.unit.split(" ")[0]
        return f"{number} {unit}".rstrip()

    @property
    def prefixed(self) -> bool:
        """True if values take decimal prefixes: ``1.86 kB/s``, ``1.86 MB``, but ``1,860 ms``."""
        return self.unit.endswith("/s") or self.unit == "B"
