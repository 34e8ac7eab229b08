"""The picture of a scenario: its knobs as sliders, its buttons, its numbers as charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn
from bokeh.models import ColumnDataSource, NumeralTickFormatter
from bokeh.plotting import figure

from ..scenarios.knobs import Curve
from .picture import Binder, live

if TYPE_CHECKING:
    from ..scenarios.base import Scenario
    from ..scenarios.knobs import Knob

__all__ = ["picture"]

_HEIGHT = 190
_WINDOW = 60.0
"""Seconds that the charts show."""

_ALSO = "#0f9f6e"
"""Colour of the user's own numbers."""


def picture(scenario: Scenario) -> Any:
    """A Panel column that follows a scenario until it stops."""
    binder = Binder()
    curves = {curve.key: curve for curve in scenario.curves}
    keys = ["time", *curves, *scenario.also]
    source = ColumnDataSource(data={key: [] for key in keys})
    charts: dict[str, list[Curve]] = {}
    for curve in scenario.curves:
        charts.setdefault(curve.chart, []).append(curve)
    own = [Curve(key=title, label=title, chart=title, color=_ALSO) for title in scenario.also]
    pane: Any = pn.pane.Bokeh
    box: Any = pn.FlexBox
    figures = [_figure(title, drawn, source) for title, drawn in charts.items()]
    figures += [_figure(curve.chart, [curve], source) for curve in own]

    def update() -> None:
        binder.show()
        end = scenario.rows[-1]["time"] if scenario.rows else 0.0
        rows = [row for row in scenario.rows if row["time"] >= end - _WINDOW]
        # The whole data each time: points streamed before the page is ready come out of order.
        source.data = {key: [row.get(key, float("nan")) for row in rows] for key in keys}

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


def _slider(scenario: Scenario, name: str, knob: Knob, binder: Binder) -> Any:
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


def _button(scenario: Scenario, label: str, method: str, binder: Binder) -> Any:
    widgets: Any = pn.widgets
    button = widgets.Button(label=label, color="danger", align="end")
    button.on_click(lambda _: binder.act(getattr(scenario, method)))
    return button


def _figure(title: str, curves: list[Curve], source: Any) -> Any:
    plot: Any = figure(
        title=title,
        width=400,
        height=_HEIGHT,
        tools="",
        toolbar_location=None,
        x_axis_label="seconds",
        html_attributes={"role": "img", "aria-label": f"{title}, as a chart over time"},
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
    for curve in curves:
        named = {"legend_label": curve.label} if len(curves) > 1 else {}
        plot.line(
            x="time", y=curve.key, source=source, line_color=curve.color, line_width=1.8, **named
        )
    if len(curves) > 1:
        legend = plot.legend[0]
        legend.orientation = "horizontal"
        legend.padding = 0
        legend.margin = 0
        legend.border_line_color = None
        legend.label_text_font_size = "11px"
        plot.add_layout(legend, "above")  # inside it would hide what it names
    return plot
