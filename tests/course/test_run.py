"""The notebooks of the course in real kernels: wrong answers, solutions, cells run twice, and
pauses.
"""

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
"""Before which cell a picture is shown, if not before the fifth: here a server is written first."""

STARTED = """
import rtmon
from rtmon.notebook import start, stop_button

server = await start(rtmon.Hub(), name="server")
"""


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """Each notebook of the course in turn."""
    return Notebook.read(request.param)


@pytest_asyncio.fixture
async def kernel(notebook: Notebook) -> AsyncIterator[Kernel]:
    """A kernel that has recorded its tasks and sockets before the notebook."""
    async with Kernel.start(notebook) as kernel:
        await kernel.run(COUNT_LEFT + PATIENT)
        yield kernel


@pytest.mark.course
async def test_right_answers_pass_after_wrong_ones_fail(notebook: Notebook, kernel: Kernel) -> None:
    """Each wrong answer is "not yet" and the solution after it is right; a picture is shown
    early, all runs again in the same kernel, and no task or socket remains.
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
async def test_cells_work_when_run_twice_in_a_row(notebook: Notebook, kernel: Kernel) -> None:
    """Each cell works when it is run twice in a row, answers and checks too."""
    exercises = dict(notebook.exercises())
    said = await kernel.run_all(notebook, Run(answers=exercises, times=2))
    assert all(each.startswith("✓ Right") for told in said.values() for each in told), said
    assert await kernel.left() == ""


@pytest.mark.course
async def test_notebook_works_with_pauses_of_an_hour(notebook: Notebook, kernel: Kernel) -> None:
    """Every cell works with an hour's pause before each cell that follows prose."""
    exercises = dict(notebook.exercises())
    await kernel.run(SHORT_HOUR)
    said = await kernel.run_all(notebook, Run(answers=exercises, pause=HOUR))
    assert all(each.startswith("✓ Right") for told in said.values() for each in told), said
    assert await kernel.left() == ""


async def test_stop_button_waits_for_a_user(tmp_path: Path) -> None:
    """With a user, the last cell shows a button and the servers go on; without one, they stop
    at once.
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
