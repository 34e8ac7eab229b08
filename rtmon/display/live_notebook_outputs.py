"""Keeps the outputs of notebook cells up to date.

Each live output has an asyncio task in the kernel, and a Jupyter comm to each open page.
"""

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
from typing import Any

from .notebook_output_content import Comm, Content, Page
from .notebook_picture import Picture
from .picture_output_content import PictureContent

__all__ = ["show"]

logger = logging.getLogger("rtmon")

TARGET = "rtmon"
"""Jupyter comm target name. Pages open their comms to this target."""

VIEWS = 16
"""Maximum number of live outputs in a kernel. A further output ends the oldest one."""

PAGES = 8
"""Maximum number of open pages per output.

A further page closes the comm of the page whose last message is the oldest.
"""

SAVED = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Ages in seconds of a live output at which its saved form in the notebook is replaced.

After the last age, the saved form is replaced every :data:`SAVED_EVERY` seconds.
"""

SAVED_EVERY = 60.0

QUIET = 3.0
"""The saved form of an output is not replaced within these seconds after a user action."""

_REGISTRY = "_rtmon_views"


def show(shown: Picture | Content) -> None:
    """Show content, such as charts, as the running notebook cell's output, with live updates.

    Raises:
        NotImplementedError: no Jupyter kernel or no event loop is running. IPython then prints the
            object instead.
    """
    shell = _shell()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no event loop is running, so no task could send updates
        raise NotImplementedError from None
    if getattr(shell, "kernel", None) is None:
        raise NotImplementedError
    content = PictureContent(shown) if isinstance(shown, Picture) else shown
    _Views.of(shell, loop).show(content)


@dataclass(eq=False)
class _Shown:
    """A live output of a notebook cell.

    Attributes:
        content: the content of the output.
        publish: replaces the output's saved form in the notebook.
        cell: ids of the cell and of the cell's execution; "" if unknown.
        now: the event loop's clock, in seconds.
        pages: comm id → the open page that shows the output.
        acted: time of the last user action on the output.
    """

    content: Content
    publish: Callable[[], None]
    cell: tuple[str, str]
    now: Callable[[], float]
    pages: dict[str, Page] = field(default_factory=dict)
    acted: float = float("-inf")

    async def run(self) -> None:
        """Send updates to all open pages, and replace the saved form, until the content ends."""
        await self.content.start()
        began, due = self.now(), SAVED[0]
        ended = False
        while not ended:
            await asyncio.sleep(self.content.period)
            ended = self.content.ended
            try:
                self._update()
                age = self.now() - began
                if ended or (age >= due and self.now() - self.acted > QUIET):
                    await self.content.prepare()
                    self.publish()
                    due = next((each for each in SAVED if each > age), age + SAVED_EVERY)
            except Exception:
                logger.exception("an output of the notebook could not be updated")

    def _update(self) -> None:
        for page in self.pages.values():
            page.behind = page.behind or page.silent
        self.content.update([page for page in self.pages.values() if not page.behind])

    def join(self, comm: Comm) -> None:
        """Add a page that has opened a comm, and send the complete content to the page."""
        page = Page(comm, self.now, self.now())
        self.pages[comm.comm_id] = page
        if len(self.pages) > PAGES:
            self._close(min(self.pages.values(), key=lambda each: each.heard))
        self.content.welcome(page)

    def hear(self, comm_id: str, said: Mapping[str, Any]) -> None:
        """Handle a message from a page. Ignore a message from an unknown comm.

        Args:
            comm_id: id of the page's comm.
            said: the message.
        """
        page = self.pages.get(comm_id)
        if page is None:
            return
        page.heard = self.now()
        if page.behind:
            page.behind = False
            self.content.welcome(page)
        if self.content.hear(page, said):
            self.acted = self.now()

    def leave(self, comm_id: str) -> None:
        """Remove a page that has closed its comm."""
        if (page := self.pages.pop(comm_id, None)) is not None:
            self.content.leave(page)

    def close(self) -> None:
        """Tell all pages that updates have ended, and close the comms to the pages."""
        for page in list(self.pages.values()):
            self._close(page)

    def _close(self, page: Page) -> None:
        self.leave(page.comm.comm_id)
        page.comm.close({"gone": True})


class _Views:
    """All live outputs of a Jupyter kernel.

    Args:
        shell: the IPython shell of the kernel.
        loop: the event loop on which the updates run.
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
        """Return the kernel's live outputs, which are an attribute of its IPython shell.

        If the event loop has changed, create a new object.
        """
        views: _Views | None = vars(shell).get(_REGISTRY)
        if views is None or views._loop is not loop:  # noqa: SLF001 - same class
            views = vars(shell)[_REGISTRY] = cls(shell, loop)
        return views

    def show(self, content: Content) -> None:
        """Show content as output of the running cell; end outputs of its earlier runs."""
        cell, run = _running_cell(self._shell)
        for view, shown in list(self._shown.items()):
            if cell and shown.cell[0] == cell and shown.cell[1] != run:
                self._remove(view)
        for view in list(self._shown)[: len(self._shown) + 1 - VIEWS]:
            self._remove(view)
        view = uuid.uuid4().hex
        content.meet([each.content for each in self._shown.values()])
        content.begin()
        publish = partial(self._publish, view, content)
        publish(update=False)
        shown = _Shown(content, partial(publish, update=True), (cell, run), self._loop.time)
        self._shown[view] = shown
        # The task outlives the cell's execution, so it must not inherit the cell's context
        # variables. Otherwise Jupyter would show all later log lines of the task below that cell.
        self._tasks[view] = self._loop.create_task(
            shown.run(), name="rtmon-notebook", context=contextvars.Context()
        )

    def _publish(self, view: str, content: Content, *, update: bool) -> None:
        data = content.output(view=view, kernel=self._kernel)
        self._shell.display_pub.publish(data, {}, transient={"display_id": view}, update=update)

    def _remove(self, view: str) -> None:
        shown = self._shown.pop(view)
        self._tasks.pop(view).cancel()
        shown.close()
        task = self._loop.create_task(shown.content.aclose(), name="rtmon-notebook-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _opened(self, comm: Comm, message: Mapping[str, Any]) -> None:
        """Register a comm that a page has opened. Some kernels call this on another thread.

        If the page's output is not live any more, close the comm.
        """
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


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _running_cell(shell: Any) -> tuple[str, str]:
    """Return the id of the running cell and the id of its execution; each is "" if unknown."""
    parent = getattr(shell, "parent_header", None) or {}
    cell = parent.get("metadata", {}).get("cellId", "")
    return str(cell), str(parent.get("header", {}).get("msg_id", ""))


def _kernel_id() -> str:
    """Return this kernel's id on the Jupyter server; "" if unknown."""
    from ipykernel.connect import get_connection_file

    found = re.fullmatch(r"kernel-(.+)\.json", Path(get_connection_file()).name)
    return found[1] if found else ""
