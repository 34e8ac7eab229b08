"""JSON descriptions of charts, from which ``browser/chart.js`` draws the charts in a browser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from .chart_definition import DASHES, Chart, Form

__all__ = ["ChartLayout", "SeriesLayout", "chart_layouts"]


class SeriesLayout(Struct, frozen=True, kw_only=True):
    """JSON description of one series; see :class:`rtmon.views.chart_definition.Series`."""

    key: str
    label: str
    color: str
    width: float
    dash: str


class ChartLayout(Struct, frozen=True, kw_only=True):
    """JSON description of one chart; see :class:`rtmon.views.chart_definition.Chart`."""

    key: str
    title: str
    unit: str
    form: Form
    whole: bool
    prefixed: bool
    series: Sequence[SeriesLayout]


def chart_layouts(charts: Iterable[Chart[Any]]) -> list[ChartLayout]:
    """Convert chart definitions to the descriptions that are sent to the browser as JSON."""
    return [
        ChartLayout(
            key=chart.key,
            title=chart.title,
            unit=chart.unit,
            form=chart.form,
            whole=chart.whole,
            prefixed=chart.prefixed,
            series=[
                SeriesLayout(
                    key=each.key,
                    label=each.label,
                    color=each.color,
                    width=each.width,
                    dash=DASHES[at % len(DASHES)][1],
                )
                for at, each in enumerate(chart.series)
            ],
        )
        for chart in charts
    ]
