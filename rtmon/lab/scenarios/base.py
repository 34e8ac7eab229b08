"""Base class of all scenarios: starts and stops clients, and measures numbers for charts."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from statistics import fmean
from typing import Any, ClassVar

from ...errors import MonitorError, OptionError
from ...views.chart_definition import Chart, Series
from ..startable import Startable
from .adjustable_knob import Adjustable
from .rates import Schedule

__all__ = ["PERIOD", "ROWS", "Row", "Scenario", "chart", "series"]

PERIOD = 0.5
"""Default seconds between two rows of a scenario's numbers."""

_LOOK = 0.05
"""Maximum seconds until a scenario applies a change of a rate."""

ROWS = 1200
"""Maximum number of rows kept: ten minutes at the default period."""


Row = Mapping[str, float]
"""A scenario's numbers at one moment: name → value, NaN if the value is not known."""


def series(key: str, label: str, color: str) -> Series[Row]:
    """Return a chart series that draws one number of :attr:`Scenario.rows`."""
    return Series(key=key, label=label, color=color, value=lambda row: row.get(key, math.nan))


def chart(title: str, *lines: Series[Row]) -> Chart[Row]:
    """Return a chart of a scenario's numbers. The title should name the unit."""
    return Chart(key=title, title=title, unit="", series=lines)


class Scenario(Adjustable, Startable):
    """A group of clients that demonstrates one behaviour of a hub, and measures this behaviour.

    Run a scenario with ``async with``, or with ``await scenario.start()`` and ``stop()``. In a
    notebook, use ``rtmon.notebook.start(scenario, name=…)``; the cell then shows its charts.

    Args:
        server: a running server, a proxy in front of a server, or the URL of either.
        seed: seed of the random numbers; the same seed gives the same run.
        also: further numbers, each drawn in a chart of its own: title → function that returns the
            number.
        period: seconds between two rows of numbers.
        **knobs: initial values of the knobs.

    Attributes:
        rows: the numbers, one row every ``period``: ``time`` (seconds since the start) and the
            keys of the series in :attr:`charts`; what is not known is NaN. The latest :data:`ROWS`.
        stopped: set when the scenario has ended.

    Raises:
        OptionError: a knob does not exist, or its value is out of range.
    """

    title: ClassVar[str]
    charts: ClassVar[tuple[Chart[Row], ...]]
    buttons: ClassVar[Mapping[str, str]] = {}
    """Label of a button in the notebook → name of the scenario's method that the button calls."""

    def __init__(
        self,
        server: Any,
        *,
        seed: int = 1,
        also: Mapping[str, Callable[[], float]] | None = None,
        period: float = PERIOD,
        **knobs: float,
    ) -> None:
        self.url = str(getattr(server, "url", server))
        self.seed = seed
        self.also = dict(also or {})
        self.period = period
        self.rows: deque[dict[str, float]] = deque(maxlen=ROWS)
        self.stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = False
        self._began = 0.0
        known = self.knobs()
        for name, value in knobs.items():
            if name not in known:
                raise OptionError(
                    f"{type(self).__name__} has no {name!r}; it has {', '.join(known)}."
                )
            setattr(self, name, value)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name):g}" for name in self.knobs())
        state = "running" if self._running else "stopped"
        return f"<{type(self).__name__} at {self.url}, {state}: {values}>"

    async def start(self) -> None:
        """Connect all clients, then start the scenario. May be called twice.

        Raises:
            OSError, TimeoutError, WebSocketException: the server cannot be reached.
        """
        if self._running:
            return
        self._running = True
        self.stopped.clear()
        self.rows.clear()
        self._began = self.now()
        try:
            await self._begin()
        except BaseException:
            await self.stop()
            raise
        self._spawn(self._keep_rows())

    async def stop(self) -> None:
        """Disconnect all clients and stop the scenario's tasks. May be called twice."""
        if not self._running:
            return
        self._running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._end()
        self.stopped.set()

    def latest(self, key: str) -> float:
        """Return the latest value of a column; NaN before the first row."""
        return self.rows[-1][key] if self.rows else math.nan

    async def average(self, seconds: float) -> dict[str, float]:
        """Measure for some time, and return the average of each number.

        Args:
            seconds: duration of the measurement.

        Returns:
            Column of :attr:`rows` → mean, without ``time``; NaN for a value that was never known.

        Raises:
            MonitorError: the scenario is not running, or stops during the measurement.
        """
        begins = self.now() - self._began
        ends = begins + seconds
        while not self.rows or self.rows[-1]["time"] < max(ends, begins + self.period):
            if not self._running:
                raise MonitorError(f"{self!r} measures nothing: start it.")
            await asyncio.sleep(self.period / 4)
        rows = [row for row in self.rows if row["time"] - self.period >= begins] or [self.rows[-1]]
        return {key: _mean(row[key] for row in rows) for key in rows[0] if key != "time"}

    def _ipython_display_(self) -> None:
        from ...display import show
        from ..views.scenario_controls import ScenarioPicture

        show(ScenarioPicture(self))

    @staticmethod
    def now() -> float:
        """Return the event loop's time in seconds."""
        return asyncio.get_running_loop().time()

    @abc.abstractmethod
    async def _begin(self) -> None:
        """Connect the clients and start their tasks."""

    @abc.abstractmethod
    async def _end(self) -> None:
        """Disconnect the clients. Called after the scenario's tasks have ended."""

    @abc.abstractmethod
    def _measure(self, elapsed: float) -> dict[str, float]:
        """Return the scenario's numbers for the time since the last call.

        Args:
            elapsed: seconds since the last call.
        """

    def _random(self, *name: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, *name))))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"rtmon-lab-{type(self).__name__}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pace(
        self, rate: Callable[[], float], act: Callable[[float], Awaitable[None]]
    ) -> None:
        """Call ``act`` ``rate()`` times per second, each time with the due time of the call."""
        schedule = Schedule(self.now())
        while True:
            for due in schedule.due(rate(), self.now()):
                await act(due)
            await asyncio.sleep(schedule.wait(self.now(), at_most=_LOOK))

    async def _keep_rows(self) -> None:
        last = self.now()
        while True:
            await asyncio.sleep(self.period)
            now = self.now()
            row = {"time": now - self._began, **self._measure(now - last)}
            for title, number in self.also.items():
                row[title] = math.nan
                with contextlib.suppress(Exception):  # a function from also= may raise
                    row[title] = float(number())
            self.rows.append(row)
            last = now


def _mean(numbers: Iterable[float]) -> float:
    known = [number for number in numbers if not math.isnan(number)]
    return fmean(known) if known else math.nan
