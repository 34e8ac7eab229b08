"""A notebook output with a button that stops all servers and clients of the notebook."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from ..views.chart_definition import Chart
from ..views.data_freshness import Freshness
from .notebook_picture import Button, Columns, Layout, Picture, PictureUpdate

__all__ = ["StopButton"]

_LAYOUT: Final = Layout(
    heading="What this notebook has started",
    axis="seconds",
    controls=[Button(name="stop", label="End everything")],
)


class StopButton(Picture):
    """A live notebook output with a button that stops everything the notebook has started.

    The output ends once nothing is running.

    Args:
        stop: stops all servers, clients and users that the notebook has started.
        running: returns True while any of these is running.
        now: returns the time in Unix seconds.
    """

    layout = _LAYOUT
    period = 0.5

    def __init__(
        self,
        stop: Callable[[], Coroutine[Any, Any, None]],
        running: Callable[[], bool],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stop = stop
        self._running = running
        self._now = now
        self._stopping: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        busy = self._stopping is not None and not self._stopping.done()
        return not busy and not self._running()

    def text(self) -> str:
        return "Still running. To end everything: await rtmon.notebook.stop()"

    def update(self) -> PictureUpdate:
        return self.whole(0.0)

    def whole(self, window: float) -> PictureUpdate:  # noqa: ARG002 - the picture has no charts
        if self.ended:
            status = Freshness(kind="ended", pill="Ended", banner="Everything has ended.")
        elif self._stopping is not None and not self._stopping.done():
            status = Freshness(kind="live", pill="Ending …")
        else:
            status = Freshness(kind="live", pill="Running")
        return PictureUpdate(
            time=self._now(),
            status=status,
            source="Servers, clients and users of this notebook",
            columns={"time": []},
            hidden=["stop"] if self.ended else [],
        )

    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        return ()

    def act(self, name: str, value: Any) -> None:  # noqa: ARG002 - the only control is the button
        if self._stopping is None or self._stopping.done():
            # Run the task in an empty context. With the running cell's context, Jupyter would show
            # the task's log lines below that cell.
            self._stopping = asyncio.get_running_loop().create_task(
                self._stop(), name="rtmon-stop-button", context=contextvars.Context()
            )
