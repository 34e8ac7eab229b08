"""Line charts as SVG, written by hand: a few kilobytes each, and they need no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeGuard

__all__ = ["Chart", "Line", "short", "svg"]

_WIDTH, _HEIGHT = 520, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 18, 8, 22
_MOST = 1e200
"""Beyond this there is no scale."""
_PREFIXES = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: points of seconds and values; a gap where a value is None.

    A ``width`` (in pixels) above that of the lines after it keeps it in sight where they agree.
    """

    label: str
    color: str
    points: Sequence[tuple[float, float | None]]
    width: float = 1.7


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same time, from zero up."""

    title: str
    unit: str
    lines: Sequence[Line]


def svg(chart: Chart) -> str:
    """The chart as an ``svg`` element."""
    known = [(x, y) for line in chart.lines for x, y in line.points if _drawn(y)]
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
    parts += [_path(line, place) for line in chart.lines]
    label = escape(f"{chart.title}, as a chart over time", quote=True)
    if not known:
        middle = f'x="{_WIDTH // 2}" y="{_HEIGHT // 2}" text-anchor="middle"'
        parts.append(f"<text {middle}>nothing was measured</text>")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def short(value: float) -> str:
    """A number in three digits or so, with a prefix: ``1.25k``."""
    step = 0
    while abs(value) >= 1000 and step < len(_PREFIXES) - 1:
        value /= 1000
        step += 1
    return f"{value:.3g}{_PREFIXES[step]}"


def _drawn(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < _MOST  # false for NaN


def _path(line: Line, place: Callable[[float, float], str]) -> str:
    steps: list[str] = []
    down = False
    for x, y in line.points:
        if not _drawn(y):
            down = False
            continue
        steps.append(f"{'L' if down else 'M'}{place(x, max(0.0, y))}")
        down = True
    color = escape(line.color, quote=True)
    return (
        f'<path d="{" ".join(steps)}" fill="none" stroke="{color}" stroke-width="{line.width:g}"'
        ' stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _ticks(most: float, about: int = 4) -> list[float]:
    """Round numbers from 0 to at least ``most``: steps of 1, 2 or 5 times a power of ten."""
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
