"""The streaming charts: one source of points, one range of time, a figure for each chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import panel as pn
from bokeh.models import (
    ColumnDataSource,
    CustomJSHover,
    CustomJSTickFormatter,
    DataRange1d,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from ...core.si import PREFIXES
from ...views.browser import asset
from ...views.chart import Chart, Series
from ...views.charts import CHARTS
from ...views.numbers import UNKNOWN
from ...views.points import COLUMNS, Point, columns
from ...views.span import Span
from ..theme import style_figure
from .component import html

__all__ = ["Charts"]

HEIGHT = 172
"""Pixels of a figure."""

YOUNG = 30.0
"""Seconds that a chart shows at least."""

_SCALE = f"""
const prefixes = {json.dumps(PREFIXES)}
const scale = (value) => {{
  let step = 0, size = Math.abs(value)
  while (size >= 1000 && step < prefixes.length - 1) {{ size /= 1000; step += 1 }}
  return [value / 1000 ** step, prefixes[step]]
}}
"""


class Charts:
    """All charts of one view.

    Args:
        now: Unix seconds, for a range of time before there are numbers.
    """

    def __init__(self, *, now: float) -> None:
        self.source = ColumnDataSource(data={name: [] for name in COLUMNS})
        self._range = Range1d(start=(now - YOUNG) * 1e3, end=now * 1e3)
        self.cards = {chart.key: self._card(chart) for chart in CHARTS}

    def show(
        self, points: Sequence[Point], fresh: Sequence[Point], *, window: float, anew: bool
    ) -> None:
        """Draw.

        Args:
            points: all known points, oldest first.
            fresh: those of them that were not drawn yet.
            window: how many seconds to show.
            anew: True if everything drawn so far is outdated.
        """
        end = points[-1].time if points else 0.0
        start = end - window * 1e3
        if points:
            # A young server's numbers use the whole width.
            start = max(start, min(points[0].time, end - YOUNG * 1e3))
        visible = [point for point in points if point.time >= start]
        if points:
            self._range.update(start=start, end=end)
        if anew:
            self.source.data = columns(visible)
        elif fresh:
            self.source.stream(columns(fresh), rollover=len(visible))

    def _card(self, chart: Chart[Span]) -> pn.Column:
        plot = _figure(chart, self.source, self._range)
        legend = "".join(
            f'<span><i style="background:{series.color}"></i>{series.label}</span>'
            for series in chart.series
            if len(chart.series) > 1
        )
        unit = f" <small>{chart.unit}</small>" if chart.unit else ""
        head = f'<div class="head"><h2>{chart.title}{unit}</h2><div>{legend}</div></div>'
        pane: Any = pn.pane.Bokeh
        return pn.Column(
            html(asset("card.css"), head),
            pane(plot, sizing_mode="stretch_width", height=HEIGHT, margin=0),
            css_classes=["card"],
            stylesheets=[asset("card.css")],
            sizing_mode="stretch_width",
            margin=0,
        )


def _figure(chart: Chart[Span], source: ColumnDataSource, time: Range1d) -> Any:
    plot: Any = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=time,
        y_range=DataRange1d(start=0, range_padding=0.12, only_visible=True),
        tools="",
        html_attributes={"role": "img", "aria-label": f"{chart.title}, as a chart over time"},
    )
    style_figure(plot)
    plot.xaxis.formatter = DatetimeTickFormatter(
        seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M"
    )
    plot.yaxis.formatter = _tick_formatter(chart)
    if chart.whole:
        plot.yaxis.ticker.min_interval = 1
    # Nothing to see, but a range of values also where nothing is known.
    plot.line(x="time", y=0, source=source, line_alpha=0)
    drawn = [_draw(plot, chart, series, source) for series in reversed(chart.series)]
    plot.add_tools(_hover(chart, drawn[-1]))
    return plot


def _draw(plot: Any, chart: Chart[Span], series: Series[Span], source: ColumnDataSource) -> Any:
    line = {"x": "time", "y": series.key, "source": source, "line_color": series.color}
    if chart.form == "step":  # a point tells what happened in the time before it
        return plot.step(**line, mode="before", line_width=series.width)
    if chart.form == "area":
        area = {"y1": 0, "y2": series.key, "fill_color": series.color, "fill_alpha": 0.16}
        plot.varea(x="time", source=source, **area)
    return plot.line(**line, line_width=series.width, line_join="round")


def _tick_formatter(chart: Chart[Span]) -> Any:
    if not chart.prefixed:
        return NumeralTickFormatter(format="0,0.[00]")
    unit = chart.unit.removesuffix("/s")
    number = 'number.toLocaleString("en", {maximumFractionDigits: 2})'
    shown = f'{number} + " " + prefix + "{unit}"' if unit else f"{number} + prefix"
    return CustomJSTickFormatter(
        code=f"{_SCALE}const [number, prefix] = scale(tick)\nreturn {shown}"
    )


def _hover(chart: Chart[Span], renderer: Any) -> HoverTool:
    scaled = "scale(value)" if chart.prefixed else '[value, ""]'
    code = (
        f"{_SCALE}if (Number.isNaN(value)) return '{UNKNOWN}'\n"
        f"const [number, prefix] = {scaled}\n"
        'return number.toLocaleString("en", {maximumSignificantDigits: 4}) + " " + prefix'
        f' + "{chart.unit}"'
    )
    formatter = CustomJSHover(code=code)
    return HoverTool(
        renderers=[renderer],
        mode="vline",
        tooltips=[
            *((series.label, f"@{series.key}{{custom}}") for series in chart.series),
            ("UTC", "@time{%H:%M:%S}"),
        ],
        formatters={"@time": "datetime", **{f"@{s.key}": formatter for s in chart.series}},
        point_policy="snap_to_data",
        line_policy="nearest",
        attachment="above",
    )
