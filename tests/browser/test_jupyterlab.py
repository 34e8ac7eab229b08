"""Notebooks of the course in a real JupyterLab, in a real browser, without the internet."""

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
"""Prints a notebook's running tasks of rtmon by name, and its listening sockets."""


CLIENTS = 60
"""Clients of the reconnect storm, fewer than the notebook's: the browser runs beside them."""

PRINTS = 20
"""Cells that print."""


def write_prints(path: Path) -> None:
    """Write a notebook with a picture that has sliders, and many cells that print."""
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
    """Write the beginning of a notebook, and its last cell, which shows the stop button.

    Args:
        name: of the notebook.
        path: where to.
        until: the heading before which it ends.
    """
    content = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    *cells, last = content["cells"]
    ends = next(at for at, cell in enumerate(cells) if until in "".join(cell["source"]))
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
    """The folder of the notebooks, written before JupyterLab starts."""
    prepare("00_quickstart", folder / "00_quickstart.ipynb", until="## Your turn")
    # Up to its picture: with all its storms it would take most of a minute.
    prepare("04_reconnection", folder / "04_reconnection.ipynb", until="Five hundred connections")
    write_prints(folder / "prints.ipynb")
    return folder


@pytest.fixture(scope="module")
def screen() -> dict[str, int]:
    """A screen so tall that all running cells are visible."""
    return {"width": 1440, "height": 1400}


@pytest_asyncio.fixture(loop_scope="module")
async def open_notebook(
    lab: str, context: BrowserContext, open_tab: Open
) -> AsyncIterator[Callable[[str], Awaitable[Notebook]]]:
    """Opens a notebook on a page, with a kernel that is ready."""
    opened: list[Notebook] = []

    async def open_(name: str) -> Notebook:
        # Its own workspace: otherwise JupyterLab opens the notebooks of the page before, too.
        tab = await open_tab(f"{lab}/{name}/tree/{name}.ipynb", context=context)
        opened.append(Notebook(tab, name))
        await opened[-1].ready()
        return opened[-1]

    yield open_
    for notebook in opened:
        await notebook.tab.page.close()
        notebook.tab.console.clear()  # JupyterLab's own warnings are not ours to judge


@pytest.mark.matrix
async def test_quickstart_notebook_is_live_until_its_stop_button(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """The picture is live after all cells have run, cells run twice leave nothing behind, and
    the button of the last cell ends it.
    """
    notebook = await open_notebook("00_quickstart")
    tab = notebook.tab
    left = await notebook.run_all()
    assert left.startswith("left: [")
    await tab.page.locator(".pill").first.scroll_into_view_if_needed()
    await notebook.moves()
    assert "–" not in await tab.total("open")

    assert await notebook.run_all() == left
    assert await tab.page.locator(".pill").count() == 2  # the server's and the button's
    await notebook.moves()
    await tab.page.get_by_role("button", name="End everything").click()
    await notebook.pill("Ended")
    assert "measures no more" in await tab.page.locator(".banner").first.inner_text()
    await tab.page.get_by_text("Everything has ended.").wait_for()
    await tab.page.get_by_role("button", name="End everything").wait_for(state="hidden")


@pytest.mark.matrix
async def test_cut_button_drops_the_curve_which_recovers(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """In the notebook on reconnection, "Cut all" drops the curve, and it recovers by itself."""
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
async def test_prints_stay_below_their_own_cell(
    open_notebook: Callable[[str], Awaitable[Notebook]],
) -> None:
    """A cell's output is below it, also while a user moves sliders of a picture."""
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
    """The text of an output."""
    return "".join(output.get("text", ""))
