"""Draw charts as static SVG elements of a few kilobytes each, without JavaScript."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any, TypeGuard, TypeVar

from .chart_definition import DASHES, Chart, Form, Series
from .number_format import short

__all__ = ["Drawing", "svg"]

_WIDTH, _HEIGHT = 520, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 18, 8, 22
_MOST = 1e200
"""Values of this size or above are not drawn: computing with them could overflow."""


S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with its data.

    Attributes:
        chart: the chart's definition.
        times: time of each point, in seconds from any start.
        values: key of a series → its value at each point; None is drawn as a gap.
    """

    chart: Chart[Any]
    times: Sequence[float]
    values: Mapping[str, Sequence[float | None]]

    @classmethod
    def of(cls, chart: Chart[S], points: Sequence[tuple[float, S]]) -> Drawing:
        """Compute the values of all series of a chart, and return them with the chart.

        Args:
            chart: the chart's definition.
            points: for each point its time in seconds, and the data that the chart's value
                functions get, such as MergedSamples.
        """
        return cls(
            chart,
            [time for time, _ in points],
            {each.key: [each.value(source) for _, source in points] for each in chart.series},
        )


def svg(drawing: Drawing) -> str:
    """Return a chart as the HTML of an ``svg`` element, with axes but without title and legend."""
    chart = drawing.chart
    lines = [
        (series, list(zip(drawing.times, drawing.values[series.key], strict=True)))
        for series in chart.series
    ]
    known = [(x, y) for _, points in lines for x, y in points if _drawn(y)]
    begin = min((x for x, _ in known), default=0.0)
    end = max((x for x, _ in known), default=1.0)
    if end <= begin:
        end = begin + 1.0
    ticks = _ticks(max((y for _, y in known), default=1.0))
    top = ticks[-1]

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - begin) / (end - begin) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM)
        return f"{across:.1f} {down:.1f}"

    parts = []
    for tick in ticks:
        height = place(begin, tick).split()[1]
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>'
            f'<text x="{_LEFT - 6}" y="{float(height) + 4:.1f}" text-anchor="end">'
            f"{short(tick)}</text>"
        )
    step = _ticks(end - begin, 5)[1]
    at = math.ceil(begin / step) * step
    while at <= end + step * 1e-6:
        across = place(at, 0).split()[0]
        parts.append(
            f'<text x="{across}" y="{_HEIGHT - 6}" text-anchor="middle">{_time(at, step)}</text>'
        )
        at += step
    for at, (series, points) in enumerate(lines):
        parts += _paths(chart.form, series, points, place, dash=DASHES[at % len(DASHES)][1])
    label = escape(f"{chart.title}, as a chart over time", quote=True)
    if not known:
        middle = f'x="{_WIDTH // 2}" y="{_HEIGHT // 2}" text-anchor="middle"'
        parts.append(f"<text {middle}>nothing was measured</text>")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _drawn(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < _MOST  # NaN compares as false, so it is not drawn


def _paths(
    form: Form,
    series: Series[Any],
    points: Sequence[tuple[float, float | None]],
    place: Callable[[float, float], str],
    *,
    dash: str,
) -> list[str]:
    color = escape(series.color, quote=True)
    lines: list[str] = []
    grounds: list[str] = []
    for run in _runs(points):
        corners = run
        if form == "step":  # a point's value covers the time since the point before it
            pairs = pairwise(run)
            corners = [run[0], *(at for (x, _), (z, y) in pairs for at in ((x, y), (z, y)))]
        line = "L".join(place(x, y) for x, y in corners)
        lines.append(f"M{line}")
        if form == "area":
            grounds.append(f"M{place(run[0][0], 0)}L{line}L{place(run[-1][0], 0)}Z")
    drawn = (
        f'<path d="{" ".join(lines)}" fill="none" stroke="{color}" stroke-width="{series.width:g}"'
        f' stroke-dasharray="{dash}"'
        ' stroke-linejoin="round" stroke-linecap="round"/>'
    )
    if not grounds:
        return [drawn]
    return [f'<path d="{" ".join(grounds)}" fill="{color}" fill-opacity="0.16"/>', drawn]


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split points into runs of consecutive points with known values, each drawn as one line."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if _drawn(y):
            runs[-1].append((x, max(0.0, y)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _ticks(most: float, about: int = 4) -> list[float]:
    """Return axis ticks from 0 to at least ``most``, about ``about`` of them.

    The step between two ticks is 1, 2 or 5 times a power of ten.
    """
    if most < 1e-9:
        most = 1.0
    rough = most / about
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    return [n * step for n in range(math.ceil(most / step - 1e-9) + 1)]


def _time(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 600:
        return f"{whole} s"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
