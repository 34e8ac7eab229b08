"""The plot of docs/benchmarks.md as SVG: cost per delivery by the number of subscribers."""

from __future__ import annotations

import math
import statistics
from html import escape
from typing import Any

__all__ = ["growth_plot"]

WIDTH, HEIGHT = 880, 480
LEFT, RIGHT, TOP, BOTTOM = 60, 250, 50, 60
OURS = {"rtmon broadcast": "#7b61d6", "group": "#d6336c", "hub": "#e8590c"}
OTHERS = ("#495057", "#868e96", "#adb5bd")
DASHES = ("", "6 3", "2 3")
LABEL = 15
"""Least distance in pixels between the names of two lines."""


def growth_plot(record: dict[str, Any]) -> str:
    """Return an SVG with two logarithmic axes; each line has its name at its end."""
    results = record["results"]
    sizes = sorted(int(key.removeprefix("size ")) for key in results if key.startswith("size "))
    lines: dict[str, list[tuple[int, float]]] = {}
    for size in sizes:
        for name, measured in results[f"size {size}"].items():
            cost = statistics.median(each["us"] for each in measured)
            lines.setdefault(name, []).append((size, cost))
    costs = [cost for points in lines.values() for _, cost in points]
    low, high = 10 ** math.floor(math.log10(min(costs))), max(costs) * 1.15
    while low * 2 < min(costs):
        low *= 2

    def x(size: float) -> float:
        share = math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(cost: float) -> float:
        return (
            HEIGHT - BOTTOM - math.log(cost / low) / math.log(high / low) * (HEIGHT - TOP - BOTTOM)
        )

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="system-ui, sans-serif" font-size="12" role="img" '
            'aria-label="CPU per delivery by the number of subscribers">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, "CPU of the server per delivery, µs", size=15),
        _text(LEFT, 40, "one message of 200 bytes at a time; lower is better", fill="#868e96"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "subscribers", anchor="middle"),
    ]
    for cost in _ticks(low, high):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(cost):.1f}" y2="{y(cost):.1f}" '
            'stroke="#e9ecef"/>'
        )
        parts.append(_text(LEFT - 8, y(cost) + 4, f"{cost:g}", anchor="end"))
    parts += [_text(x(size), HEIGHT - BOTTOM + 20, f"{size:,}", anchor="middle") for size in sizes]
    ends = _apart({name: y(points[-1][1]) for name, points in lines.items()})
    others = [name for name in lines if name not in OURS]
    for name, points in lines.items():
        colour, dash, width = OURS.get(name, ""), "", 3.0
        if not colour:
            rank = others.index(name)
            colour, dash, width = OTHERS[rank % 3], DASHES[rank // 3 % 3], 1.5
        path = " ".join(f"{x(size):.1f},{y(cost):.1f}" for size, cost in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}" stroke-linejoin="round"/>'
        )
        last = x(points[-1][0])
        parts.append(
            f'<line x1="{last:.1f}" y1="{y(points[-1][1]):.1f}" x2="{WIDTH - RIGHT + 14}" '
            f'y2="{ends[name]:.1f}" stroke="{colour}" stroke-width="0.5" stroke-dasharray="1 3"/>'
        )
        title = record["titles"][name].replace("*", "").replace("`", "")
        label = f"{title}, {points[-1][1]:.1f}"
        weight, fill = ("600", colour) if name in OURS else ("400", "#495057")
        parts.append(_text(WIDTH - RIGHT + 18, ends[name] + 4, label, fill=fill, weight=weight))
    return "\n".join([*parts, "</svg>\n"])


def _ticks(low: float, high: float) -> list[float]:
    steps = [m * 10.0**power for power in range(-2, 5) for m in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def _apart(wanted: dict[str, float]) -> dict[str, float]:
    """Return vertical positions of the names, near the ends of their lines and without overlap."""
    placed: dict[str, float] = {}
    above = TOP - LABEL
    for name in sorted(wanted, key=wanted.__getitem__):
        above = placed[name] = max(wanted[name], above + LABEL)
    below = HEIGHT - BOTTOM + LABEL
    for name in reversed(placed):
        below = placed[name] = min(placed[name], below - LABEL)
    return placed


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    fill: str = "#343a40",
    size: int = 12,
    weight: str = "400",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
