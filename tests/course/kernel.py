"""Run the cells of a course notebook in a kernel of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbclient import NotebookClient

from .notebooks import Notebook

PATIENCE = 250
"""Longest time in seconds of one cell, on a machine that runs other tests at the same time."""

PICTURE = "application/vnd.rtmon.view.v1+json"
"""MIME type of a dashboard view or scenario in a cell's output."""

COUNT_LEFT = """
import asyncio
import psutil


def _left():
    # Timers of these libraries end by themselves, and are not started by the notebook.
    theirs = ("ipykernel", "tornado", "zmq", "jupyter_client", "IPython")
    theirs += ("engineio", "sse_starlette")
    tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    tasks = [t for t in tasks if not any(
        f"/{each}/" in t.get_coro().cr_code.co_filename for each in theirs)]
    sockets = [s for s in psutil.Process().net_connections("tcp") if s.status == "LISTEN"]
    children = psutil.Process().children(recursive=True)
    return [t.get_name() for t in tasks], len(sockets), [c.pid for c in children]


_before = _left()
"""

LEFT_NOTHING = """
from rtmon.testing import until

try:
    await until(lambda: _left() == _before)
except TimeoutError:
    pass
print("left:", _left() == _before, _before, _left(), [
    t.get_coro().cr_code.co_filename for t in asyncio.all_tasks() if t.get_name() in _left()[0]])
"""

PATIENT = "import os\nos.environ['RTMON_COURSE_PATIENCE'] = '60'"
"""Code that gives every check 60 seconds, so that right answers also pass on a slow machine."""

IMPATIENT = "os.environ.pop('RTMON_COURSE_PATIENCE', None)"

HOUR = 4.0
"""Real seconds that stand for one hour after the code :data:`SHORT_HOUR` has run."""

SHORT_HOUR = f"""
from rtmon.hub.options import HubOptions
from rtmon.lab.scenarios import base

_shortened = set()  # as hub.change() makes new options of old ones


def _shorten(options, check=HubOptions.__post_init__):
    check(options)
    for name in ("history_age", "stalled", "max_waiting_age", "idle_timeout"):
        seconds = getattr(options, name)
        if seconds is not None and seconds >= 60 and seconds not in _shortened:
            _shortened.add(seconds * {HOUR} / 3600)
            object.__setattr__(options, name, seconds * {HOUR} / 3600)

HubOptions.__post_init__ = _shorten
base.ROWS = 12
"""
"""Code that shortens a hub's timeouts of a minute or more, so that one hour passes in four seconds.
It also limits a scenario's table to 12 rows.
"""


@dataclass
class Run:
    """Options of a notebook run.

    Attributes:
        answers: Index of an exercise's cell → code to append to that cell as the answer.
        wrong: Index of an exercise's cell → wrong answers to try before the answer.
        pause: Seconds to wait before each cell that follows text.
        times: How many times in a row to run each code cell.
    """

    answers: Mapping[int, str] = field(default_factory=dict)
    wrong: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    pause: float = 0
    times: int = 1


class Kernel:
    """A running kernel in which the cells of one notebook are executed.

    Attributes:
        picture: Index of the first cell whose output was a dashboard view or scenario.
        seconds: Index of a cell → seconds that the cell took.
    """

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self.picture = 1 << 30
        self.seconds: dict[int, float] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, notebook: Notebook) -> AsyncIterator[Kernel]:
        """Start a kernel in the notebook's folder, and yield it."""
        client = NotebookClient(nbformat.v4.new_notebook(), timeout=PATIENCE, kernel_name="python3")
        async with client.async_setup_kernel(cwd=str(notebook.path.parent)):
            yield cls(client)

    @property
    def has_user(self) -> bool:
        """True if a user could answer questions and press buttons, as in JupyterLab."""
        return bool(self._client.kc.allow_stdin)

    @has_user.setter
    def has_user(self, there: bool) -> None:
        self._client.kc.allow_stdin = there

    async def run(self, source: str) -> list[Any]:
        """Execute code as a cell, and return the cell's outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        await self._client.async_execute_cell(cell, len(self._client.nb.cells) - 1)
        outputs: list[Any] = cell.outputs
        return outputs

    async def run_all(self, notebook: Notebook, how: Run) -> dict[int, list[str]]:
        """Run all code cells of a notebook.

        Returns:
            Index of each check's cell → its output at each run, those of wrong answers first.
        """
        said: dict[int, list[str]] = {}
        clock = asyncio.get_running_loop().time
        for at, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            if notebook.follows_prose(at):
                await asyncio.sleep(how.pause)
            began = clock()
            for answer in how.wrong.get(at, {}).values():
                await self.run(f"{cell.source}\n{answer}")
                said.setdefault(at + 1, []).append(
                    text(await self.run(notebook.cells[at + 1].source))
                )
            if at in how.wrong:
                await self.run(PATIENT)
            for _ in range(how.times):
                outputs = await self.run(f"{cell.source}\n{how.answers.get(at, '')}")
                if any(PICTURE in output.get("data", ()) for output in outputs):
                    self.picture = min(self.picture, at)
                if "check" in cell.metadata.get("tags", ()):
                    said.setdefault(at, []).append(text(outputs))
            self.seconds[at] = clock() - began
            if at - 1 in how.wrong:
                await self.run(IMPATIENT)
        return said

    async def left(self) -> str:
        """Wait until all tasks and sockets that the notebook started have ended. Return a
        description of those that remain; empty if none remains.

        Code :data:`COUNT_LEFT` must have run before the notebook.
        """
        said = text(await self.run(LEFT_NOTHING))
        return "" if said.startswith("left: True") else said


def text(outputs: list[Any]) -> str:
    """Return the text of a cell's outputs."""
    return "".join(
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in outputs
        if output.output_type in {"stream", "display_data"}
    )
