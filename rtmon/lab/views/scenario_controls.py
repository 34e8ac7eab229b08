"""Notebook output of a scenario: sliders for the knobs, buttons, and charts of the numbers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from ...display.notebook_charts import (
    Button,
    Columns,
    Control,
    Layout,
    Picture,
    PictureUpdate,
    Slider,
)
from ...views.chart_definition import Chart, Series
from ...views.chart_json import chart_layouts
from ...views.palette import GREEN
from ..scenarios.adjustable_knob import Knob
from .run_status import running

__all__ = ["ScenarioPicture"]


class ScenarioSource(Protocol):
    """The part of a scenario's interface that the notebook output uses."""

    title: ClassVar[str]
    charts: ClassVar[tuple[Chart[Mapping[str, float]], ...]]
    buttons: ClassVar[Mapping[str, str]]
    url: str
    also: dict[str, Callable[[], float]]
    rows: deque[dict[str, float]]
    stopped: asyncio.Event

    def knobs(self) -> dict[str, Knob]:
        """Return the scenario's knobs: name → knob."""


class ScenarioPicture(Picture):
    """Shows a scenario's charts, sliders and buttons in a notebook until the scenario stops.

    Args:
        scenario: the scenario to show and control.
        now: returns the time in Unix seconds.
    """

    period = 0.5

    def __init__(self, scenario: ScenarioSource, *, now: Callable[[], float] = time.time) -> None:
        self._scenario = scenario
        self._now = now
        self._charts = [*scenario.charts, *map(_own, scenario.also)]
        self._last = -math.inf
        self._moved = now()
        self.layout = Layout(
            heading=scenario.title,
            axis="seconds",
            charts=chart_layouts(self._charts),
            controls=[*_sliders(scenario), *_buttons(scenario)],
            window=60,
        )

    @property
    def ended(self) -> bool:
        return self._scenario.stopped.is_set()

    def text(self) -> str:
        return repr(self._scenario)

    def update(self) -> PictureUpdate:
        rows = self._scenario.rows
        if rows and rows[-1]["time"] < self._last:  # the scenario was stopped and started again
            self._last = -math.inf
        anew = self._last == -math.inf
        fresh = [row for row in rows if row["time"] > self._last]
        if fresh:
            self._last = fresh[-1]["time"]
            self._moved = self._now()
        return self._frame(fresh, anew=anew)

    def whole(self, window: float) -> PictureUpdate:
        return self._frame(self._rows(window), anew=True)

    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        rows = self._rows(self.layout.window)
        drawn = {**self._columns(rows), "time": [row["time"] for row in rows]}
        return [(chart, drawn) for chart in self._charts]

    def act(self, name: str, value: Any) -> None:
        if name in self._scenario.knobs():
            setattr(self._scenario, name, value)
        elif name in self._scenario.buttons.values():
            getattr(self._scenario, name)()

    def _rows(self, window: float) -> list[dict[str, float]]:
        return [
            row for row in self._scenario.rows if self._last - window <= row["time"] <= self._last
        ]

    def _frame(self, rows: Sequence[Mapping[str, float]], *, anew: bool) -> PictureUpdate:
        scenario = self._scenario
        return PictureUpdate(
            time=self._moved,
            status=running(ended=self.ended, what=scenario.title, time=self._moved),
            source=f"{scenario.title} · {scenario.url}",
            columns=self._columns(rows),
            anew=anew,
            values={name: getattr(scenario, name) for name in scenario.knobs()},
        )

    def _columns(self, rows: Sequence[Mapping[str, float]]) -> Columns:
        drawn = [series for chart in self._charts for series in chart.series]
        return {
            "time": [round(row["time"] * 1e3) for row in rows],
            **{series.key: [_known(series.value(row)) for row in rows] for series in drawn},
        }


def _known(value: float | None) -> float | None:
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None


def _sliders(scenario: ScenarioSource) -> list[Control]:
    return [
        Slider(name=name, label=knob.label, low=knob.low, high=knob.high, step=knob.step)
        for name, knob in scenario.knobs().items()
    ]


def _buttons(scenario: ScenarioSource) -> list[Control]:
    return [Button(name=method, label=label) for label, method in scenario.buttons.items()]


def _own(title: str) -> Chart[Mapping[str, float]]:
    """Return the chart of one of the numbers that the user passed in ``also=``."""
    own = Series[Mapping[str, float]](
        key=title, label=title, color=GREEN, value=lambda row: row.get(title, math.nan)
    )
    return Chart(key=title, title=title, unit="", series=(own,))
