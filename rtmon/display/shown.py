"""Pictures on the pages of a notebook: one task each, and a comm for each page that shows it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from .output import bundle
from .picture import Frame, Picture

__all__ = ["show"]

logger = logging.getLogger("rtmon")

TARGET = "rtmon"
"""The name under which pages open comms."""

VIEWS = 16
"""Pictures kept up to date; the oldest goes first."""

PAGES = 8
"""Pages that show one picture; the one that was not heard of for longest goes first."""

SILENCE = 45.0
"""Seconds after which nothing more is sent to a page that was not heard of. Pages in sight are
heard of every ten seconds; one that is heard of again gets everything."""

TABLE_EVERY = 2
"""Updates between two looks at a table: numbers that change faster cannot be read."""

SAVED = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Ages of a picture, in seconds, at which the notebook is given the present one to save; after
that, every minute."""

SAVED_EVERY = 60.0

QUIET = 3.0
"""Seconds without an action of the user's before the output is replaced."""

_REGISTRY = "_rtmon_views"


class Comm(Protocol):
    """A comm of Jupyter's, as far as a page is sent numbers through it."""

    comm_id: str

    def send(self, data: dict[str, Any]) -> None:
        """Send a message to the page."""

    def close(self, data: dict[str, Any]) -> None:
        """Tell the page that no more will come."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the receiver of the page's messages."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the receiver of the page's farewell."""


def show(picture: Picture) -> None:
    """Show a picture below the running cell, and keep it up to date.

    Raises:
        NotImplementedError: there is no kernel or no event loop here. IPython then prints the
            object instead.
    """
    shell = _shell()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # nothing moves without a loop
        raise NotImplementedError from None
    if getattr(shell, "kernel", None) is None:
        raise NotImplementedError
    _Views.of(shell, loop).show(picture)


@dataclass(eq=False)
class _Page:
    """A page that shows a picture.

    Attributes:
        comm: leads to it.
        heard: when a message came from it, seconds of the loop's clock.
        window: seconds that its charts show.
        table: key and query of the table that it shows, if any.
        behind: True if it was not sent everything, because it was silent.
    """

    comm: Comm
    heard: float
    window: float
    table: tuple[str, Mapping[str, Any]] | None = None
    behind: bool = False

    def send(self, **said: Any) -> None:
        self.comm.send(said)


@dataclass(eq=False)
class _Shown:
    """A picture, the pages that show it, and the output that the notebook saves.

    Attributes:
        picture: what is shown.
        publish: replaces the saved output.
        cell: the cell that shows it and the run of that cell, as far as that is known.
        now: the loop's clock.
    """

    picture: Picture
    publish: Callable[[], None]
    cell: tuple[str, str]
    now: Callable[[], float]
    pages: dict[str, _Page] = field(default_factory=dict)
    acted: float = float("-inf")

    async def run(self) -> None:
        """Update all pages until the picture ends."""
        await self.picture.start()
        began, due, ticks = self.now(), SAVED[0], 0
        ended = False
        while not ended:
            await asyncio.sleep(self.picture.period)
            ended = self.picture.ended
            ticks += 1
            try:
                self._update(ticks)
                age = self.now() - began
                if ended or (age >= due and self.now() - self.acted > QUIET):
                    self.publish()
                    due = next((each for each in SAVED if each > age), age + SAVED_EVERY)
            except Exception:
                logger.exception("a picture in the notebook could not be updated")

    def _update(self, ticks: int) -> None:
        frame = _text(self.picture.update())
        for page in list(self.pages.values()):
            if self.now() - page.heard > SILENCE:
                page.behind = True
                continue
            page.send(frame=frame)
            if page.table is not None and ticks % TABLE_EVERY == 0:
                self._send_table(page)

    def join(self, comm: Comm) -> None:
        """Send everything to a page that shows the picture from now on."""
        page = _Page(comm, self.now(), self.picture.layout.window)
        self.pages[comm.comm_id] = page
        if len(self.pages) > PAGES:
            self._close(min(self.pages.values(), key=lambda each: each.heard))
        self._send_whole(page)

    def hear(self, comm_id: str, said: Mapping[str, Any]) -> None:
        """Take a message of a page."""
        page = self.pages.get(comm_id)
        if page is None:
            return
        page.heard = self.now()
        if page.behind:
            page.behind = False
            self._send_whole(page)
        kind = said.get("do")
        if kind == "act":
            self.acted = self.now()
            self.picture.act(said["name"], said.get("value"))
        elif kind == "window":
            page.window = float(said["seconds"])
            self._send_whole(page)
        elif kind == "table":
            page.table = (said["key"], said["query"]) if said["key"] else None
            self._send_table(page)
        elif kind == "csv":
            name, text = self.picture.csv(said["key"], said["query"])
            page.send(file={"key": said["key"], "name": name, "text": text})

    def leave(self, comm_id: str) -> None:
        """Forget a page that has closed its comm."""
        self.pages.pop(comm_id, None)

    def close(self) -> None:
        """Tell all pages that the picture is no longer kept up to date."""
        for page in list(self.pages.values()):
            self._close(page)

    def _close(self, page: _Page) -> None:
        del self.pages[page.comm.comm_id]
        page.comm.close({"gone": True})

    def _send_whole(self, page: _Page) -> None:
        page.send(frame=_text(self.picture.whole(page.window)))

    def _send_table(self, page: _Page) -> None:
        if page.table is not None:
            key, query = page.table
            page.send(table={"key": key, "page": self.picture.table(key, query)})


class _Views:
    """All pictures that a kernel shows.

    Args:
        shell: of the kernel.
        loop: on which pictures are updated.
    """

    def __init__(self, shell: Any, loop: asyncio.AbstractEventLoop) -> None:
        import comm

        self._shell = shell
        self._loop = loop
        self._kernel = _kernel_id()
        self._shown: dict[str, _Shown] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        comm.get_comm_manager().register_target(TARGET, self._opened)

    @classmethod
    def of(cls, shell: Any, loop: asyncio.AbstractEventLoop) -> _Views:
        """Return the pictures of a kernel. They are kept on its shell, as long as it lives."""
        views: _Views | None = vars(shell).get(_REGISTRY)
        if views is None or views._loop is not loop:  # noqa: SLF001 - its own class
            views = vars(shell)[_REGISTRY] = cls(shell, loop)
        return views

    def show(self, picture: Picture) -> None:
        """Show a picture as output of the running cell, instead of those of its earlier runs."""
        cell, run = _running_cell(self._shell)
        for view, shown in list(self._shown.items()):
            if cell and shown.cell[0] == cell and shown.cell[1] != run:
                self._remove(view)
        for view in list(self._shown)[: len(self._shown) + 1 - VIEWS]:
            self._remove(view)
        view = uuid.uuid4().hex
        picture.update()
        publish = partial(self._publish, view, picture)
        publish(update=False)
        shown = _Shown(picture, partial(publish, update=True), (cell, run), self._loop.time)
        self._shown[view] = shown
        # It outlives the cell, so it must not have the cell's context: what it logs would be put
        # under that cell for ever.
        self._tasks[view] = self._loop.create_task(
            shown.run(), name="rtmon-notebook", context=contextvars.Context()
        )

    def _publish(self, view: str, picture: Picture, *, update: bool) -> None:
        data = bundle(picture, view=view, kernel=self._kernel)
        self._shell.display_pub.publish(data, {}, transient={"display_id": view}, update=update)

    def _remove(self, view: str) -> None:
        shown = self._shown.pop(view)
        self._tasks.pop(view).cancel()
        shown.close()
        task = self._loop.create_task(shown.picture.aclose(), name="rtmon-notebook-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _opened(self, comm: Comm, message: Mapping[str, Any]) -> None:
        """Take a comm that a page opens; some kernels call this on a thread of their own."""
        shown = self._shown.get(message["content"]["data"].get("view"))
        if shown is None:
            comm.close({"gone": True})
            return
        comm.on_msg(lambda said: self._call(shown.hear, comm.comm_id, said["content"]["data"]))
        comm.on_close(lambda _: self._call(shown.leave, comm.comm_id))
        self._call(shown.join, comm)

    def _call(self, what: Callable[..., None], *arguments: Any) -> None:
        def call() -> None:
            try:
                what(*arguments)
            except Exception:
                logger.exception("a message from the notebook's page could not be handled")

        self._loop.call_soon_threadsafe(call, context=contextvars.Context())


def _text(frame: Frame) -> str:
    """Encode a frame once for all pages; what is not known becomes null."""
    return msgspec.json.encode(frame).decode()


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _running_cell(shell: Any) -> tuple[str, str]:
    """Return the running cell and the id of its run; empty where not known."""
    parent = getattr(shell, "parent_header", None) or {}
    cell = parent.get("metadata", {}).get("cellId", "")
    return str(cell), str(parent.get("header", {}).get("msg_id", ""))


def _kernel_id() -> str:
    """Return the id under which Jupyter's server knows this kernel; empty if it has none."""
    from ipykernel.connect import get_connection_file

    found = re.fullmatch(r"kernel-(.+)\.json", Path(get_connection_file()).name)
    return found[1] if found else ""
