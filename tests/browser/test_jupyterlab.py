"""Notebooks of the course in JupyterLab in Chromium, without internet access."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from .conftest import ROOT, Open, until
from .jupyter import Notebook

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = """
import asyncio
import psutil
tasks = sorted(t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("rtmon"))
sockets = [s for s in psutil.Process().net_connections("tcp") if s.status == "LISTEN"]
print("left:", tasks, len(sockets))
"""
"""Code that prints the notebook's running rtmon tasks by name, and its number of listening
sockets.
"""


CLIENTS = 60
"""Clients of the reconnection storm: fewer than the notebook's 500, since the browser shares the
machine.
"""

PRINTS = 20
"""Number of cells that print."""


def write_prints(path: Path) -> None:
    """Write a notebook that shows charts with sliders, followed by many cells that print."""
    begin = """
import asyncio

import rtmon
from rtmon.lab.scenarios import ChatRoom
from rtmon.notebook import start

server = await start(rtmon.Hub(), name="server")
chat = await start(ChatRoom(server), name="chat")
"""
    cells = [
        begin,
        "chat",
        *(
            f"print('{number}: one')\nawait asyncio.sleep(0.1)\nprint('{number}: two')"
            for number in range(PRINTS)
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


def prepare(name: str, path: Path, *, until: str) -> None:
    """Write the first cells of a course notebook, its stop button, and a cell that counts tasks.

    Args:
        name: Name of the course notebook.
        path: File to write.
        until: Id of a cell; this cell and all later cells are omitted.
    """
    content = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    *cells, last = content["cells"]
    ends = next(at for at, cell in enumerate(cells) if cell["id"] == until)
    content["cells"] = cells[:ends]
    for cell in content["cells"]:
        cell["source"] = "".join(cell["source"]).replace("clients=500", f"clients={CLIENTS}")
    assert "".join(last["source"]) == "await stop_button()"
    content["cells"].append(last)
    extra = {**last, "id": "count", "source": COUNT.strip().splitlines(keepends=True)}
    for cell in (extra, *content["cells"]):
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    content["cells"].append(extra)
    path.write_text(json.dumps(content), "utf-8")


@pytest.fixture(scope="module")
def folder(folder: Path) -> Path:
    """Write the notebooks into their folder before JupyterLab starts."""
    prepare("00_quickstart", folder / "00_quickstart.ipynb", until="quickstart-19")
    # Only up to the picture: all storms of the notebook would take most of a minute.
    prepare("04_reconnection", folder / "04_reconnection.ipynb", until="reconnection-05")
    write_prints(folder / "prints.ipynb")
    return folder


@pytest.fixture(scope="module")
def screen() -> dict[str, int]:
    """Pages so tall that all running cells are visible at once."""
    return {"width": 1440, "height": 1400}


@pytest_asyncio.fixture(loop_scope="module")
async def open_notebook(
    lab: str, context: BrowserContext, open_tab: Open
) -> AsyncIterator[Callable[[str], Awaitable[Notebook]]]:
    """Return a function that opens a notebook and waits until its kernel is ready."""
    opened: list[Notebook] = []

    async def open_(name: str) -> Notebook:
        # Each notebook gets its own workspace: in a shared workspace JupyterLab would also reopen
        # the earlier notebooks.
        tab = await open_tab(f"{lab}/{name}/tree/{name}.ipynb", context=context)
        opened.append(Notebook(tab, name))
        await opened[-1].ready()
        return opened[-1]

    yield open_
    for notebook in opened:
        await notebook.tab.page.close()
        notebook.tab.console.clear()  # JupyterLab's own warnings must not fail rtmon's tests


@pytest.mark.matrix
async def test_quickstart_notebook_is_live_until_its_stop_button(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """Quickstart notebook's dashboard view is live after its cells ran twice, and ends when the
    user presses the stop button.
    """
    notebook = await open_notebook("00_quickstart")
    tab = notebook.tab
    left = await notebook.run_all()
    assert left.startswith("left: [")
    await tab.page.locator(".pill").first.scroll_into_view_if_needed()
    await notebook.moves()
    assert "–" not in await tab.total("open")

    assert await notebook.run_all() == left
    # The label of the server's view and that of the stop button.
    assert await tab.page.locator(".pill").count() == 2
    await notebook.moves()
    await tab.page.get_by_role("button", name="End everything").click()
    await notebook.pill("Ended")
    assert "measures no more" in await tab.page.locator(".banner").first.inner_text()
    await tab.page.get_by_text("Everything has ended.").wait_for()
    await tab.page.get_by_role("button", name="End everything").wait_for(state="hidden")


@pytest.mark.matrix
async def test_online_clients_drop_and_recover_when_the_learner_presses_cut_all(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """In the notebook on reconnection, the number of clients online falls below half of all clients
    when the learner presses "Cut all", and then returns to all clients.
    """
    notebook = await open_notebook("04_reconnection")
    assert (await notebook.run_all()).startswith("left: [")
    await notebook.execute("storm.away, storm.base, storm.jitter = 2, 1, 1")
    online = notebook.tab.page.locator('[data-chart="Clients online"] .legend b')

    async def all_online() -> bool:
        return await online.inner_text() == str(CLIENTS)

    async def dropped() -> bool:
        return float((await online.inner_text()).replace("–", "inf")) < CLIENTS / 2

    await until(all_online, "all clients are online")
    await notebook.tab.page.get_by_role("button", name="Cut all").click()
    await until(dropped, "the curve drops")
    await until(all_online, "the curve recovers")
    await notebook.execute("await rtmon.notebook.stop()")


@pytest.mark.matrix
async def test_printed_text_stays_below_its_own_cell_while_a_slider_moves(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """Text that a notebook cell prints stays below that cell while a user moves a slider in the
    output of another cell.
    """
    notebook = await open_notebook("prints")
    page = notebook.tab.page
    await notebook.begin_to_run_all()
    slider = page.get_by_role("slider").first
    await slider.wait_for()
    values = itertools.cycle(("4", "5", "6"))

    async def printed() -> bool:
        await slider.fill(next(values))
        return "".join(map(text, (await notebook.outputs())[-1])).endswith("two\n")

    await until(printed, "the last cell has printed its last line")
    cells = await notebook.outputs()
    told = ["".join(map(text, cell)) for cell in cells[2:]]
    assert told == [f"{number}: one\n{number}: two\n" for number in range(PRINTS)]
    await notebook.execute("await rtmon.notebook.stop()")


def text(output: dict[str, Any]) -> str:
    """Return the text of a cell's output."""
    return "".join(output.get("text", ""))
