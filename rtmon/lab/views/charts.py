"""The picture of a scenario: its knobs as sliders, its buttons, its numbers as charts."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import panel as pn
from bokeh.models import ColumnDataSource, NumeralTickFormatter
from bokeh.plotting import figure

from ...views.chart import Chart, Series
from ...views.palette import GREEN
from ..scenarios.knobs import Knob
from .picture import Binder, live

__all__ = ["picture"]

_HEIGHT = 190
_WINDOW = 60.0
"""Seconds that the charts show."""


class Pictured(Protocol):
    """A scenario, as far as its picture reads and changes it."""

    charts: ClassVar[tuple[Chart[Mapping[str, float]], ...]]
    buttons: ClassVar[Mapping[str, str]]
    also: dict[str, Callable[[], float]]
    rows: deque[dict[str, float]]
    stopped: asyncio.Event

    def knobs(self) -> dict[str, Knob]:
        """Return its knobs by name."""


def picture(scenario: Pictured) -> Any:
    """Draw a scenario: a Panel column that follows it until it stops."""
    binder = Binder()
    charts = [*scenario.charts, *map(_own, scenario.also)]
    drawn = [series for chart in charts for series in chart.series]
    source = ColumnDataSource(data={key: [] for key in ("time", *(each.key for each in drawn))})
    pane: Any = pn.pane.Bokeh
    box: Any = pn.FlexBox
    figures = [_figure(chart, source) for chart in charts]

    def update() -> None:
        binder.show()
        end = scenario.rows[-1]["time"] if scenario.rows else 0.0
        rows = [row for row in scenario.rows if row["time"] >= end - _WINDOW]
        # The whole data each time: points streamed before the page is ready come out of order.
        source.data = {
            "time": [row["time"] for row in rows],
            **{each.key: [each.value(row) for row in rows] for each in drawn},
        }

    sliders = [_slider(scenario, name, knob, binder) for name, knob in scenario.knobs().items()]
    buttons = [
        _button(scenario, label, method, binder) for label, method in scenario.buttons.items()
    ]
    return live(
        [
            box(*sliders, *buttons),
            box(*[pane(each, sizing_mode="fixed") for each in figures]),
        ],
        update,
        stopped=scenario.stopped,
        name="rtmon-lab-picture",
    )


def _slider(scenario: Pictured, name: str, knob: Knob, binder: Binder) -> Any:
    widgets: Any = pn.widgets
    kind, number = (widgets.IntSlider, int) if knob.whole else (widgets.FloatSlider, float)
    slider = kind(
        label=knob.label,
        start=number(knob.low),
        end=number(knob.high),
        step=number(knob.step),
        width=350,
    )
    return binder.bind(
        slider, lambda: getattr(scenario, name), lambda value: setattr(scenario, name, value)
    )


def _button(scenario: Pictured, label: str, method: str, binder: Binder) -> Any:
    widgets: Any = pn.widgets
    button = widgets.Button(label=label, color="danger", align="end")
    button.on_click(lambda _: binder.act(getattr(scenario, method)))
    return button


def _own(title: str) -> Chart[Mapping[str, float]]:
    """Describe the chart of a number that the user gave."""
    own = Series[Mapping[str, float]](
        key=title, label=title, color=GREEN, value=lambda row: row.get(title, math.nan)
    )
    return Chart(key=title, title=title, unit="", series=(own,))


def _figure(chart: Chart[Mapping[str, float]], source: Any) -> Any:
    plot: Any = figure(
        title=chart.title,
        width=400,
        height=_HEIGHT,
        tools="",
        toolbar_location=None,
        x_axis_label="seconds",
        html_attributes={"role": "img", "aria-label": f"{chart.title}, as a chart over time"},
    )
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    plot.x_range.range_padding = 0.01
    plot.outline_line_color = None
    plot.xgrid.visible = False
    plot.ygrid.grid_line_dash = [3, 4]
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
    several = len(chart.series) > 1
    for series in chart.series:
        line = {"line_color": series.color, "line_width": series.width}
        named = {"legend_label": series.label} if several else {}
        plot.line(x="time", y=series.key, source=source, **line, **named)
    if several:
        legend = plot.legend[0]
        legend.orientation = "horizontal"
        legend.padding = 0
        legend.margin = 0
        legend.border_line_color = None
        legend.label_text_font_size = "11px"
        plot.add_layout(legend, "above")  # inside it would hide what it names
    return plot
