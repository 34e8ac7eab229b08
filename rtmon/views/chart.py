"""Describe a chart: its series, their colours, and how each value is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .number_format import scaled, three

__all__ = ["DASHES", "Chart", "Form", "Measure", "Series"]

S = TypeVar("S")
"""What the values of a chart are computed from, such as a span of Samples."""

DASHES = (("solid", ""), ("dashed", "7 3"), ("dotted", "2 3"))
"""How the series of a chart are drawn, in their order, so that they differ without their colours:
in words, and as SVG's ``stroke-dasharray``."""

Form = Literal["line", "area", "step"]
"""Lines, lines with the ground below filled, or steps that hold before each point."""

Measure = Literal["rate", "level", "quantile"]
"""How a series follows from its column: what a counter gained per second; the value of a gauge;
or the quantile of that name, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Series(Generic[S]):
    """One series of a chart.

    Attributes:
        key: its name in rows of data; unique among the charts that are shown together.
        label: what a legend calls it.
        color: how it is drawn, from :mod:`rtmon.views.palette`.
        value: computes the value of one point, in the chart's unit; None is drawn as a gap.
        width: of the line, in pixels. Above that of the series after it, it stays in sight where
            they agree.
        column: of the samples table, if the series is one of it.
        measure: how the series follows from that column.
        factor: by which the result is multiplied to be in the chart's unit.
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
            value: of the column; None if it is not known.
            elapsed: seconds that the point stands for.
        """
        if value is None:
            return None
        if self.measure == "rate":
            return value / elapsed if elapsed > 0 else None
        return value * self.factor


@dataclass(frozen=True, kw_only=True)
class Chart(Generic[S]):
    """One chart: series over the same time, from zero up.

    Attributes:
        key: its name, for styles, tests and where a title has no place.
        title: what it shows.
        unit: behind the numbers.
        series: what is drawn, the first on top.
        form: how it is drawn.
        window: seconds that the value of a live point looks back on; 0 is its own Sample only.
        whole: whether values are whole numbers.
        brief: True if it is drawn also where there is little room, as in a terminal.
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
