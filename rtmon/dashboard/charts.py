"""The streaming charts: one source of points, one range of time, five figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

from ..views.series import COLUMNS, Point
from .components import html
from .theme import COLORS, asset, style_figure

__all__ = ["CHARTS", "Chart", "Charts", "Line"]

HEIGHT = 172
"""Pixels of a figure."""

YOUNG = 30.0
"""Seconds that a chart shows at least."""

_SCALED = """
const units = ["", "k", "M", "G", "T"]
let step = 0, size = Math.abs(VALUE)
while (size >= 1000 && step < 4) { size /= 1000; step += 1 }
const number = VALUE / 1000 ** step
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: a column of the points, its label and its colour's meaning."""

    column: str
    label: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart.

    Attributes:
        key: its name, for styles and tests.
        title: what it shows.
        unit: behind the numbers, also in the hover.
        lines: what is drawn, the first on top.
        form: lines, lines with the ground below filled, or steps.
    """

    key: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    form: str = "line"


CHARTS: tuple[Chart, ...] = (
    Chart(
        key="open",
        title="Open connections",
        unit="",
        lines=(Line(column="open", label="open", color="open"),),
        form="area",
    ),
    Chart(
        key="messages",
        title="Messages",
        unit="/s",
        lines=(
            Line(column="messages_in", label="in", color="in"),
            Line(column="messages_out", label="out", color="out"),
        ),
    ),
    Chart(
        key="bandwidth",
        title="Bandwidth",
        unit="B/s",
        lines=(
            Line(column="bytes_in", label="in", color="in"),
            Line(column="bytes_out", label="out", color="out"),
        ),
        form="area",
    ),
    Chart(
        key="rtt",
        title="Round-trip time",
        unit="ms",
        lines=(
            Line(column="rtt_p50", label="p50", color="p50"),
            Line(column="rtt_p95", label="p95", color="p95"),
            Line(column="rtt_p99", label="p99", color="p99"),
        ),
    ),
    Chart(
        key="errors",
        title="Errors",
        unit="/s",
        lines=(Line(column="errors", label="errors", color="errors"),),
        form="step",
    ),
)


class Charts:
    """All charts of one view.

    Args:
        now: Unix seconds, to have a range of time before there are numbers.
        notebook: send the whole data each time. Points streamed to a notebook before its page
            is ready arrive out of order.
    """

    def __init__(self, *, notebook: bool, now: float) -> None:
        self._notebook = notebook
        self.source = ColumnDataSource(data={name: [] for name in COLUMNS})
        self._range = Range1d(start=(now - YOUNG) * 1e3, end=now * 1e3)
        self.cards = {chart.key: self._card(chart) for chart in CHARTS}

    def show(
        self, points: Sequence[Point], fresh: Sequence[Point], *, window: float, anew: bool
    ) -> None:
        """Draw.

        Args:
            points: all that are known, oldest first.
            fresh: those of them that were not drawn yet.
            window: how many seconds to show.
            anew: whether what was drawn is of no use any more.
        """
        end = points[-1].time if points else 0.0
        start = end - window * 1e3
        if points:
            # A young server's numbers use the whole width.
            start = max(start, min(points[0].time, end - YOUNG * 1e3))
        visible = [point for point in points if point.time >= start]
        if points:
            self._range.update(start=start, end=end)
        if anew or (self._notebook and fresh):
            self.source.data = _columns(visible)
        elif fresh:
            self.source.stream(_columns(fresh), rollover=len(visible))

    def _card(self, chart: Chart) -> pn.Column:
        plot = _figure(chart, self.source, self._range)
        legend = "".join(
            f'<span><i style="background:{COLORS[line.color]}"></i>{line.label}</span>'
            for line in chart.lines
            if len(chart.lines) > 1
        )
        unit = f" <small>{chart.unit}</small>" if chart.unit else ""
        head = f'<div class="head"><h2>{chart.title}{unit}</h2><div>{legend}</div></div>'
        pane: Any = pn.pane.Bokeh
        return pn.Column(
            html("card.css", head),
            pane(plot, sizing_mode="stretch_width", height=HEIGHT, margin=0),
            css_classes=["card"],
            stylesheets=[asset("card.css")],
            sizing_mode="stretch_width",
            margin=0,
        )


def _columns(rows: Sequence[Point]) -> dict[str, Any]:
    return {name: [getattr(point, name) for point in rows] for name in COLUMNS}


def _figure(chart: Chart, source: ColumnDataSource, time: Range1d) -> Any:
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
    if chart.key == "open":
        plot.yaxis.ticker.min_interval = 1
    # Nothing to see, but a range of values also where nothing is known.
    plot.line(x="time", y=0, source=source, line_alpha=0)
    renderers = []
    for line in reversed(chart.lines):
        color = COLORS[line.color]
        if chart.form == "area":
            plot.varea(
                x="time", y1=0, y2=line.column, source=source, fill_color=color, fill_alpha=0.16
            )
        if chart.form == "step":  # what happened in the second before each point
            renderers.append(
                plot.step(
                    x="time",
                    y=line.column,
                    source=source,
                    mode="before",
                    line_color=color,
                    line_width=1.4,
                )
            )
        else:
            renderers.append(
                plot.line(
                    x="time",
                    y=line.column,
                    source=source,
                    line_color=color,
                    line_width=1.8,
                    line_join="round",
                )
            )
    plot.add_tools(_hover(chart, renderers[-1]))
    return plot


def _tick_formatter(chart: Chart) -> Any:
    if chart.unit == "ms" or not chart.unit:
        return NumeralTickFormatter(format="0,0.[00]")
    unit = chart.unit.removesuffix("/s")
    code = _SCALED.replace("VALUE", "tick")
    tail = 'return number.toLocaleString("en", {maximumFractionDigits: 2}) + '
    return CustomJSTickFormatter(
        code=code + tail + (f'" " + units[step] + "{unit}"' if unit else "units[step]")
    )


def _hover(chart: Chart, renderer: Any) -> HoverTool:
    code = _SCALED.replace("VALUE", "value") + (
        "if (Number.isNaN(value)) return '–'\n"
        'return number.toLocaleString("en", {maximumSignificantDigits: 4}) + " " + units[step]'
        f' + "{chart.unit}"'
    )
    scaled = CustomJSHover(code=code)
    fields = {f"@{line.column}": scaled for line in chart.lines}
    return HoverTool(
        renderers=[renderer],
        mode="vline",
        tooltips=[
            *((line.label, f"@{line.column}{{custom}}") for line in chart.lines),
            ("UTC", "@time{%H:%M:%S}"),
        ],
        formatters={"@time": "datetime", **fields},
        point_policy="snap_to_data",
        line_policy="nearest",
        attachment="above",
    )
