"""A Panel view that is kept up to date for as long as it stands on a page."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import Any

import panel as pn

__all__ = ["PERIOD", "Binder", "live"]

logger = logging.getLogger("rtmon")

PERIOD = 0.5
"""Seconds between two updates."""

_UNSEEN = 30.0
"""Seconds off the page after which a view is given up."""


class Binder:
    """Widgets bound to values: a change of one changes the other.

    A user's action on the page may arrive on another thread (JupyterLab gives those messages a
    subshell of the kernel); it is done on the loop that was running here.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bound: list[tuple[Any, Callable[[], Any]]] = []
        self._showing = False

    def bind(self, widget: Any, read: Callable[[], Any], write: Callable[[Any], None]) -> Any:
        """Join a widget to a value.

        Args:
            widget: something with a ``value``.
            read: what the widget is to show.
            write: takes what the user chose.

        Returns:
            The widget.
        """

        def chosen(event: Any) -> None:
            # A slider shows a value as well as its steps can: that is no choice of the user's.
            if not (self._showing and self._here()):
                self.act(lambda: write(event.new))

        widget.value = read()
        widget.param.watch(chosen, "value")
        self._bound.append((widget, read))
        return widget

    def act(self, what: Callable[[], None]) -> None:
        """Do something on the loop, at once if this is it."""
        if self._here():
            what()
        else:
            self._loop.call_soon_threadsafe(what)

    def _here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:  # none runs on this thread
            return False

    def show(self) -> None:
        """Update all widgets to their values."""
        self._showing = True
        try:
            for widget, read in self._bound:
                value = read()
                if widget.value != value:
                    widget.value = value
        finally:
            self._showing = False


def live(
    children: Sequence[Any], update: Callable[[], None], *, stopped: asyncio.Event, name: str
) -> Any:
    """Make a column with a task that updates it while it is on a page.

    Args:
        children: what it holds.
        update: changes Bokeh models or widgets; called on the event loop.
        stopped: set when there will be nothing more to show.
        name: of the task.
    """
    root: Any = pn.Column(*children, sizing_mode="stretch_width", margin=0)
    update()
    # It outlives the cell, so it must not have the cell's context. The column keeps the task.
    root.updating = asyncio.get_running_loop().create_task(
        _run(root, update, stopped), name=name, context=contextvars.Context()
    )
    return root


async def _run(root: Any, update: Callable[[], None], stopped: asyncio.Event) -> None:
    unseen = 0.0
    while unseen < _UNSEEN and not stopped.is_set():
        # Panel forgets the models of what left the page.
        unseen = 0.0 if root._models else unseen + PERIOD  # noqa: SLF001
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PERIOD):
                await stopped.wait()
        try:
            with pn.io.hold():
                update()
            if root._models and pn.state.curdoc is None:  # noqa: SLF001
                pn.io.push_notebook(root)
        except Exception:
            logger.exception("a picture of the lab could not be updated")
            return
