"""The dashboard in a notebook: live for as long as it is on the page."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import panel as pn

from ..feeds import open_feed
from ..feeds.feed import Feed
from ..views.numbers import clock
from .pages.overview import Overview

__all__ = ["Dashboard", "notebook_view"]

logger = logging.getLogger("rtmon")

PERIOD = 1.0
"""Seconds between two updates."""

VIEWS = 16
"""Views kept; the oldest goes first."""

SILENCE = 30.0
"""Seconds after which a view of which no page was heard is no longer kept up to date; when it is
heard of again, it goes on. Pages are heard of every five seconds, hidden ones are not."""

_LOOKS = ("visible", "css_classes")
"""What changes of every part."""


class Dashboard:
    """The live dashboard of a Monitor, a server or a feed, as the last line of a notebook cell.

    It goes on after the cell is done, for as long as it is on the page.

    Args:
        source: a Monitor, the address of an admin listener (``"ws://127.0.0.1:8766"``), or a
            Feed, which stays its maker's to close.

    Raises:
        OptionError: the source is none of these.
    """

    def __init__(self, source: Any) -> None:
        self._feed = open_feed(source)
        self._owned = self._feed is not source

    def __repr__(self) -> str:
        snapshot = self._feed.snapshot()
        return f"<rtmon.Dashboard of {self._feed.status.source}: {snapshot or 'no numbers yet'}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a shell without a loop cannot show anything that moves
            return {"text/plain": repr(self)}
        if not pn.extension._loaded:  # noqa: SLF001 - the only place where Panel says so
            pn.extension(inline=True)
        _Refresher.of(loop).spawn(self._feed.start(), "rtmon-feed-start")
        view = Overview(self._feed, notebook=True)
        root: Any = view.root
        data, metadata = root._repr_mimebundle_(include, exclude)
        _Refresher.of(loop).show(view, owned=self._owned)
        return _with_summary(data, self._feed), metadata


def notebook_view(feed: Feed) -> Dashboard:
    """Make the dashboard of a feed; the feed is closed when it has left the page."""
    dashboard = Dashboard(feed)
    dashboard._owned = True  # noqa: SLF001 - made here
    return dashboard


def _with_summary(data: Mapping[str, Any], feed: Feed) -> dict[str, Any]:
    """Add a text for a saved notebook that is shown without its scripts."""
    snapshot = feed.snapshot()
    if snapshot is None:
        text = f"rtmon: {feed.status.source}, no numbers yet"
    else:
        text = f"rtmon: {snapshot} ({snapshot.node}, {clock(snapshot.time)} UTC)"
    hidden = "<style>.rtmon-saved { display: none }</style>"
    html = f'{hidden}<p class="rtmon-saved">{escape(text)}</p>{data.get("text/html", "")}'
    return {**data, "text/html": html, "text/plain": text}


@dataclass(eq=False)
class _Shown:
    """A view that was put on a page.

    Attributes:
        view: the view.
        owned: whether its feed is closed with it.
        cell: the cell that shows it and the run of that cell, as far as that is known.
        seen: when it was last known to be on a page, seconds of the loop's clock.
        heard: whether a page has ever said that it has drawn it.
    """

    view: Overview
    owned: bool
    cell: tuple[str, str]
    seen: float
    heard: bool = False


class _Refresher:
    """Keeps all views of one event loop up to date, with one task."""

    _all: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Refresher]] = (
        weakref.WeakKeyDictionary()
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._shown: list[_Shown] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False
        self._busy = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> _Refresher:
        """Return the refresher of a loop."""
        if loop not in cls._all:
            cls._all[loop] = cls(loop)
        return cls._all[loop]

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something on the loop."""
        loop = self._loop()
        if loop is None or loop.is_closed():
            work.close()
            return
        # It outlives the cell, so it must not have the cell's context: what it logs would be
        # put under that cell for ever.
        task = loop.create_task(work, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def show(self, view: Overview, *, owned: bool) -> None:
        """Keep a view up to date for as long as it is on the page."""
        cell, run = _cell()
        for old in [each for each in self._shown if cell and each.cell[0] == cell]:
            if old.cell[1] != run:
                self._remove(old)
        shown = _Shown(view, owned, (cell, run), self._now())
        view.bar.alive = lambda: self._alive(shown)
        self._shown.append(shown)
        for old in self._shown[:-VIEWS]:
            self._remove(old)
        if not self._running:
            self._running = True
            self.spawn(self._run(), "rtmon-notebook")

    def _now(self) -> float:
        loop = self._loop()
        return loop.time() if loop is not None else 0.0

    def _alive(self, shown: _Shown) -> None:
        shown.seen = self._now()
        if not shown.heard:
            shown.heard = True
            _repeat(shown.view)

    def _remove(self, shown: _Shown) -> None:
        self._shown.remove(shown)
        if shown.owned and not any(each.view.feed is shown.view.feed for each in self._shown):
            self.spawn(shown.view.feed.aclose(), "rtmon-feed-close")

    async def _run(self) -> None:
        with _cells(self._on_cell):
            while self._shown:
                await asyncio.sleep(PERIOD)
                for shown in list(self._shown):
                    if self._busy:
                        shown.seen += PERIOD  # a page cannot be heard while a cell is running
                    if self._now() - shown.seen <= SILENCE and not _refresh(shown.view):
                        self._remove(shown)
        self._running = False

    def _on_cell(self, begins: bool) -> None:  # noqa: FBT001 - it is what the call is about
        self._busy = begins


def _refresh(view: Overview) -> bool:
    """Update a view; return False if nothing more will change."""
    if not view.root._models:  # noqa: SLF001 - Panel forgets the models of what left the page
        return False
    try:
        with pn.io.hold():
            view.update()
        pn.io.push_notebook(view.root)
    except Exception:
        logger.exception("a view in the notebook could not be updated")
    return view.feed.status.state != "closed"


def _repeat(view: Overview) -> None:
    """Make the next update send the whole present state.

    What changed between the making of the output and its drawing never reached the page.
    """
    for part in view.parts:
        for model, _ in part._models.values():  # noqa: SLF001 - Panel has no other way to them
            changing = [(model, name) for name in _LOOKS]
            if (own := getattr(model, "data", None)) is not None:  # it is drawn in the browser
                changing += [(own, name) for name in own.properties()]
            for each, name in changing:
                each.document.callbacks.notify_change(each, name, None, getattr(each, name))


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _cell() -> tuple[str, str]:
    """Return the running cell and the id of its run; empty where not known."""
    parent = getattr(_shell(), "parent_header", None) or {}
    cell = parent.get("metadata", {}).get("cellId", "")
    return str(cell), str(parent.get("header", {}).get("msg_id", ""))


@contextlib.contextmanager
def _cells(tell: Callable[[bool], None]) -> Iterator[None]:
    """Report when cells begin and end."""
    shell = _shell()
    if shell is None:
        yield
        return

    def begins(*_: object) -> None:
        tell(True)

    def ends(*_: object) -> None:
        tell(False)

    shell.events.register("pre_run_cell", begins)
    shell.events.register("post_run_cell", ends)
    try:
        yield
    finally:
        shell.events.unregister("pre_run_cell", begins)
        shell.events.unregister("post_run_cell", ends)
