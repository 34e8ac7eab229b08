"""Notebook controls of a :class:`~rtmon.lab.faults.FaultProxy`: sliders and buttons."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from ...display.notebook_charts import (
    Button,
    Choice,
    Columns,
    Layout,
    Picture,
    PictureUpdate,
    Slider,
    Toggle,
)
from ...views.chart_definition import Chart
from ..network_conditions import Conditions, Direction
from .run_status import running

__all__ = ["ProxyPicture"]

_SLOWEST = 1000
"""Maximum value of the sliders for latency and jitter, in milliseconds."""

_BANDWIDTHS: Mapping[str, float | None] = {
    "no bound": None,
    "1 MB/s": 1e6,
    "100 kB/s": 1e5,
    "10 kB/s": 1e4,
    "1 kB/s": 1e3,
}

_LAYOUT: Final = Layout(
    heading="Faults of a proxy",
    axis="seconds",
    controls=[
        Slider(name="latency", label="latency, ms each way", low=0, high=_SLOWEST, step=10),
        Slider(name="jitter", label="jitter, ms at most", low=0, high=_SLOWEST, step=10),
        Choice(name="bandwidth", label="bandwidth, each way", options=list(_BANDWIDTHS)),
        Toggle(name="freeze_up", label="Freeze upwards"),
        Toggle(name="freeze_down", label="Freeze downwards"),
        Toggle(name="refusing", label="Refuse new ones"),
        Button(name="half_open", label="Half-open"),
        Button(name="cut", label="Cut all"),
        Button(name="calm", label="All well"),
    ],
)


class Proxy(Protocol):
    """The part of a fault proxy's interface that the controls use."""

    refusing: bool
    accepted: int
    refused: int
    stopped: asyncio.Event

    @property
    def url(self) -> str:
        """The URL for clients."""

    @property
    def links(self) -> Sequence[object]:
        """The open connections through the proxy."""

    @property
    def bandwidth(self) -> float | None:
        """Bytes per second in each direction; None is unlimited."""

    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        """Return the network conditions of a direction."""

    def set(self, direction: Direction = "both", **changes: Any) -> None:
        """Change the network conditions of a direction."""

    def half_open(self) -> None:
        """Reset the connections to the server without notice to the clients."""

    def cut(self) -> None:
        """Cut all connections."""

    def calm(self) -> None:
        """Remove all faults."""


class ProxyPicture(Picture):
    """Shows the controls of a fault proxy in a notebook until the proxy stops.

    Args:
        proxy: the proxy to control.
        now: returns the time in Unix seconds.
    """

    layout = _LAYOUT
    period = 0.5

    def __init__(self, proxy: Proxy, *, now: Callable[[], float] = time.time) -> None:
        self._proxy = proxy
        self._now = now
        self._time = now()

    @property
    def ended(self) -> bool:
        return self._proxy.stopped.is_set()

    def text(self) -> str:
        return repr(self._proxy)

    def update(self) -> PictureUpdate:
        if not self.ended:
            self._time = self._now()
        return self.whole(0.0)

    def whole(self, window: float) -> PictureUpdate:  # noqa: ARG002 - there are no charts
        proxy = self._proxy
        up, down = proxy.conditions("up"), proxy.conditions("down")
        return PictureUpdate(
            time=self._time,
            status=running(ended=self.ended, what="the proxy", time=self._time),
            source=f"Faults at {proxy.url}",
            columns={"time": []},
            values={
                "latency": min(_SLOWEST, round(up.latency * 1e3)),
                "jitter": min(_SLOWEST, round(up.jitter * 1e3)),
                "bandwidth": _nearest(proxy.bandwidth),
                "freeze_up": up.frozen,
                "freeze_down": down.frozen,
                "refusing": proxy.refusing,
            },
            note=(
                f"{len(proxy.links):,} connections open, {proxy.accepted:,} so far, "
                f"{proxy.refused:,} of them refused"
            ),
        )

    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        return ()

    def act(self, name: str, value: Any) -> None:
        proxy = self._proxy
        if name in {"latency", "jitter"}:
            proxy.set(**{name: value / 1e3})
        elif name == "bandwidth":
            proxy.set(bandwidth=_BANDWIDTHS[value])
        elif name in {"freeze_up", "freeze_down"}:
            proxy.set("up" if name == "freeze_up" else "down", frozen=bool(value))
        elif name == "refusing":
            proxy.refusing = bool(value)
        elif name in {"half_open", "cut", "calm"}:
            getattr(proxy, name)()


def _nearest(bandwidth: float | None) -> str:
    """Return the choice of the bandwidth control that is nearest to the proxy's bandwidth."""
    if bandwidth is None:
        return "no bound"
    bounded = {name: rate for name, rate in _BANDWIDTHS.items() if rate is not None}
    return min(bounded, key=lambda name: abs(math.log(bounded[name] / bandwidth)))
