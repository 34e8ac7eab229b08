"""The notebooks of the course in real kernels: wrong answers, solutions, repeated cells, pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .kernel import (
    COUNT_LEFT,
    HOUR,
    IMPATIENT,
    PATIENT,
    PICTURE,
    SHORT_HOUR,
    Kernel,
    Run,
    text,
)
from .notebooks import NOTEBOOKS, Notebook

pytestmark = pytest.mark.timeout(900)

PICTURE_BY = {"10_your_first_server": 12}
"""Notebook → index of the cell before which a dashboard view must appear. Other notebooks must show
one before cell 5; this notebook first lets the learner write a server.
"""

STARTED = """
import rtmon
from rtmon.notebook import start, stop_button

server = await start(rtmon.Hub(), name="server")
"""


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """Return each notebook of the course in turn."""
    return Notebook.read(request.param)


@pytest_asyncio.fixture
async def kernel(notebook: Notebook) -> AsyncIterator[Kernel]:
    """Start a kernel, and record its tasks and sockets before the notebook runs."""
    async with Kernel.start(notebook) as kernel:
        await kernel.run(COUNT_LEFT + PATIENT)
        yield kernel


@pytest.mark.course
async def test_notebook_checks_fail_wrong_answers_and_pass_solutions(
    notebook: Notebook, kernel: Kernel
) -> None:
    """Course notebook's checks fail each wrong answer and pass each solution, also in a second run,
    and no task or socket remains.
    """
    exercises = list(notebook.exercises())
    await kernel.run(IMPATIENT)
    wrong = {at: answers for (at, _), answers in zip(exercises, notebook.wrong(), strict=True)}
    said = await kernel.run_all(notebook, Run(answers=dict(exercises), wrong=wrong))
    for (at, _), answers in zip(exercises, notebook.wrong(), strict=True):
        *wrongly, right = said[at + 1]
        for reason, told in zip(answers, wrongly, strict=True):
            assert told.startswith("○ Not yet"), (at, reason, told)
        assert right.startswith("✓ Right"), (at, right)
    assert kernel.picture < PICTURE_BY.get(notebook.path.stem, 5)
    await kernel.run(PATIENT)
    again = await kernel.run_all(notebook, Run(answers=dict(exercises)))
    assert all(each[-1].startswith("✓ Right") for each in again.values()), again
    assert await kernel.left() == ""


@pytest.mark.course
async def test_notebook_cells_work_when_each_is_run_twice_in_a_row(
    notebook: Notebook, kernel: Kernel
) -> None:
    """Every cell of a course notebook works when each cell is run twice in a row, and no asyncio
    task or socket remains.
    """
    exercises = dict(notebook.exercises())
    said = await kernel.run_all(notebook, Run(answers=exercises, times=2))
    assert all(each.startswith("✓ Right") for told in said.values() for each in told), said
    assert await kernel.left() == ""


@pytest.mark.course
async def test_notebook_works_when_the_learner_pauses_for_an_hour(
    notebook: Notebook, kernel: Kernel
) -> None:
    """Course notebook works when the learner pauses for a simulated hour before each code cell that
    follows text, and no asyncio task or socket remains.
    """
    exercises = dict(notebook.exercises())
    await kernel.run(SHORT_HOUR)
    said = await kernel.run_all(notebook, Run(answers=exercises, pause=HOUR))
    assert all(each.startswith("✓ Right") for told in said.values() for each in told), said
    assert await kernel.left() == ""


async def test_stop_button_keeps_servers_running_only_when_a_user_can_press_it(
    tmp_path: Path,
) -> None:
    """Function stop_button() shows a button and leaves the servers running when a user can press
    it; when the notebook runs without a user, the function stops the servers.
    """
    notebook = Notebook(tmp_path / "button.ipynb", [])
    async with Kernel.start(notebook) as kernel:
        await kernel.run(COUNT_LEFT + STARTED)
        for user in (True, False):
            kernel.has_user = user
            outputs = await kernel.run("await stop_button()")
            running = text(await kernel.run("print(not server.monitor.closed)"))
            assert (any(PICTURE in output.data for output in outputs), running) == (
                user,
                f"{user}\n",
            )
        assert await kernel.left() == ""
