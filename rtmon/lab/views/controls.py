"""Sliders and buttons for a :class:`~rtmon.lab.faults.FaultProxy`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import panel as pn
from bokeh.models.widgets import Div

from ..conditions import Conditions, Direction
from .picture import Binder, live

__all__ = ["controls"]

_SLOWEST = 1000
"""Milliseconds at the right end of the sliders."""

_BANDWIDTHS: dict[str, float | None] = {
    "no bound": None,
    "1 MB/s": 1e6,
    "100 kB/s": 1e5,
    "10 kB/s": 1e4,
    "1 kB/s": 1e3,
}


class Proxy(Protocol):
    """A proxy that makes faults, as far as its controls read and change it."""

    refusing: bool
    accepted: int
    refused: int
    stopped: asyncio.Event

    @property
    def links(self) -> Sequence[object]:
        """The open connections."""

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second, each way."""

    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        """Return the conditions of a direction."""

    def set(self, direction: Direction = "both", **changes: Any) -> None:
        """Change the conditions of a direction."""

    def half_open(self) -> None:
        """Let the server vanish without telling clients."""

    def cut(self) -> None:
        """End all connections."""

    def calm(self) -> None:
        """End all faults."""


def controls(proxy: Proxy) -> Any:
    """Make sliders and buttons for the faults of all connections of a proxy."""
    widgets: Any = pn.widgets
    binder = Binder()

    def milliseconds(name: str) -> int:
        seconds: float = getattr(proxy.conditions("up"), name)
        return min(_SLOWEST, round(seconds * 1e3))

    def slider(name: str, label: str) -> Any:
        return binder.bind(
            widgets.IntSlider(label=label, start=0, end=_SLOWEST, step=10),
            lambda: milliseconds(name),
            lambda value: proxy.set(**{name: value / 1e3}),
        )

    def freeze(direction: Literal["up", "down"], label: str) -> Any:
        return binder.bind(
            widgets.Toggle(label=label, align="end"),
            lambda: proxy.conditions(direction).frozen,
            lambda value: proxy.set(direction, frozen=value),
        )

    def button(label: str, look: str, act: Callable[[], None]) -> Any:
        made = widgets.Button(label=label, color=look)
        made.on_click(lambda _: binder.act(act))
        return made

    bandwidth = binder.bind(
        widgets.Select(label="bandwidth, each way", options=list(_BANDWIDTHS)),
        lambda: _nearest(proxy.bandwidth),
        lambda name: proxy.set(bandwidth=_BANDWIDTHS[name]),
    )
    refuse = binder.bind(
        widgets.Toggle(label="Refuse new ones"),
        lambda: proxy.refusing,
        lambda value: setattr(proxy, "refusing", value),
    )
    pane: Any = pn.pane.Bokeh
    box: Any = pn.FlexBox
    text = Div(sizing_mode="stretch_width")

    def update() -> None:
        binder.show()
        text.text = (
            f"{len(proxy.links):,} connections open, {proxy.accepted:,} so far, "
            f"{proxy.refused:,} of them refused"
        )

    return live(
        [
            box(slider("latency", "latency, ms each way"), slider("jitter", "jitter, ms at most")),
            box(bandwidth, freeze("up", "Freeze upwards"), freeze("down", "Freeze downwards")),
            box(
                refuse,
                button("Half-open", "warning", proxy.half_open),
                button("Cut all", "danger", proxy.cut),
                button("All well", "success", proxy.calm),
            ),
            pane(text),
        ],
        update,
        stopped=proxy.stopped,
        name="rtmon-lab-controls",
    )


def _nearest(bandwidth: float | None) -> str:
    """Return the choice nearest to a bandwidth that was set in code."""
    if bandwidth is None:
        return "no bound"
    bounded = {name: rate for name, rate in _BANDWIDTHS.items() if rate is not None}
    return min(bounded, key=lambda name: abs(math.log(bounded[name] / bandwidth)))
