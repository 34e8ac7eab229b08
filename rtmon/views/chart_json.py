"""Describe charts to a browser, which draws them: see ``browser/chart.js``."""

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
    """Describe charts to a browser."""
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
