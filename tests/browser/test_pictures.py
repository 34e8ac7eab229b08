"""Pictures in JupyterLab survive a reload, a second run, a reopened tab, a new kernel."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from .jupyter import Notebook, OpenNotebook, write
from .tab import Tab, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CELLS = (
    """
import rtmon
from rtmon.notebook import start, stop
""",
    """
server = await start(rtmon.Hub(), ping_interval=0.5)
client = await start(rtmon.connect(server.url, name="ada"), name="ada")
""",
    "server.monitor",
    "print('done')",
)
"""A server with one client, and its picture."""

VIEW = (*CELLS[:2], "server.monitor.view()", CELLS[3])
"""The same server, and its overview as a page of the dashboard."""

LAB = (
    """
import rtmon
from rtmon.lab.scenarios import ChatRoom
from rtmon.notebook import start, stop
""",
    """
server = await start(rtmon.Hub())
chat = await start(ChatRoom(server, people=3), name="chat")
""",
    "chat",
    "print('done')",
)
"""A scenario of the lab with its sliders."""

LARGE = (
    LAB[0].replace("ChatRoom", "BatchingComparison"),
    """
server = await start(rtmon.Hub())
batching = await start(BatchingComparison(server, rate=300, payload=1000), name="batching")
""",
    "batching",
    "print('done')",
)
"""A scenario whose bytes a second are numbers of six digits."""

KEEP_SOCKETS = """
window.sockets = []
window.WebSocket = class extends WebSocket {
  constructor(...options) {
    super(...options)
    sockets.push(this)
  }
}
"""
"""Lets a test break a page's connections."""

BREAK = (
    "sockets.findLast(({protocol, url}) => protocol === '' && url.includes('/channels')).close()"
)
"""Breaks the picture's; JupyterLab's own have a protocol of Jupyter's."""

TALLEST = 400
"""Pixels of a picture in a notebook."""

LARGEST = 300_000
"""Bytes of a picture in a saved notebook."""

OpenPicture = Callable[..., Awaitable[Notebook]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context(context: BrowserContext) -> BrowserContext:
    """Pages whose connections a test can cut."""
    await context.add_init_script(KEEP_SOCKETS)
    return context


async def run(notebook: Notebook) -> None:
    """Run a notebook on its page, until its picture is live."""
    await notebook.ready()
    assert await notebook.run_all() == "done"
    await notebook.moves()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def live(folder: Path, lab: str, context: BrowserContext) -> AsyncIterator[Notebook]:
    """A notebook that has run, with a live picture, which each test leaves as it was."""
    write(folder / "live.ipynb", CELLS)
    tab = Tab(await context.new_page())
    await tab.page.goto(f"{lab}/live/tree/live.ipynb")
    notebook = Notebook(tab, "live")
    await run(notebook)
    yield notebook
    await notebook.command("kernelmenu:shutdown")
    await tab.page.close()
    assert tab.outside == []


@pytest.fixture
def open_picture(open_notebook: OpenNotebook) -> OpenPicture:
    """Opens a new notebook of some cells, and runs them until its picture is live."""

    async def open_(name: str, cells: tuple[str, ...] = CELLS) -> Notebook:
        notebook = await open_notebook(name, cells)
        await notebook.moves()
        return notebook

    return open_


async def said_since_when(notebook: Notebook, why: str) -> None:
    """The picture says since when it is not live, and why; it is grey, and not blank."""
    await notebook.pill("Not live")

    async def told() -> bool:
        return why in await notebook.tab.text(".banner")

    await until(told, f"the banner says {why!r}")
    banner = await notebook.tab.text(".banner")
    since = r"Not live since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d( UTC)?\. "
    assert re.match(since, banner), banner
    assert await notebook.tab.page.locator(".view.stale, main.stale").count() == 1
    assert await notebook.drawn()


async def test_picture_is_live_after_a_reload(live: Notebook) -> None:
    """After a reload of the page with a live kernel, the picture continues."""
    await live.reload()
    await live.moves()
    assert "1 opened in all" in await live.tab.total("open")


async def test_picture_is_live_after_its_connection_broke(live: Notebook) -> None:
    """After a cut of its connection to Jupyter's server, the picture continues."""
    page = live.tab.page
    before = await page.evaluate("sockets.length")
    await page.evaluate(BREAK)
    await page.wait_for_function("before => sockets.length > before", arg=before)
    await live.moves()
    await live.execute("import gc; gc.collect()")  # closes sockets that Jupyter no longer uses
    await live.moves()


async def test_picture_is_live_when_its_cell_runs_again(live: Notebook) -> None:
    """A cell run again has one live picture, and the earlier one ends."""
    await live.tab.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    for _ in range(2):
        await live.command("notebook:run-cell")
        await live.moves()
    assert await live.tab.page.locator(".pill").count() == 1


@pytest.mark.matrix
async def test_picture_is_live_in_a_reopened_tab(live: Notebook) -> None:
    """A notebook that is closed and opened again while its kernel runs shows its picture live."""
    await live.command("docmanager:save")
    await live.tab.page.evaluate("jupyterapp.shell.currentWidget.close()")
    await live.tab.page.wait_for_function("!document.querySelector('.jp-NotebookPanel')")
    await live.command("docmanager:open", path="live.ipynb")
    await live.ready()
    await live.moves()


async def test_picture_shows_the_time_of_its_last_numbers_after_a_kernel_restart(
    open_picture: OpenPicture,
) -> None:
    """After a restart of the kernel, the picture keeps its numbers and says since when they are
    old; so it does after a reload, and when the kernel has ended.
    """
    notebook = await open_picture("restart")
    await notebook.restart_kernel()
    await said_since_when(notebook, "run this notebook's cells again")
    await notebook.reload()
    await said_since_when(notebook, "run this notebook's cells again")
    assert "1 opened in all" in await notebook.tab.total("open")


async def test_page_of_the_dashboard_navigates_within_its_cell(open_picture: OpenPicture) -> None:
    """In a cell, links of a dashboard's page, its query and Back leave JupyterLab unchanged;
    after a restart of the kernel and a reload, the page says since when it is old.
    """
    notebook = await open_picture("view", VIEW)
    page = notebook.tab.page
    address = page.url
    await page.get_by_role("navigation", name="Pages").get_by_text("Connections").click()
    await page.get_by_label("Search with the query language").click()
    await page.keyboard.type("name:bob")
    await page.get_by_text("No connection matches this query.").wait_for()
    for _ in range(3):
        await page.keyboard.press("Backspace")
    await page.keyboard.type("ada")
    await page.get_by_role("link", name="ada", exact=True).click()
    await page.locator(".verdict").wait_for()
    for _ in range(2):
        await page.get_by_role("button", name="Back").click()
    await notebook.moves()
    assert page.url == address
    assert len((await notebook.outputs())[2]) == 1, "no key has gone to the notebook"

    await notebook.restart_kernel()
    await said_since_when(notebook, "run this notebook's cells again")
    await notebook.reload()
    await said_since_when(notebook, "run this notebook's cells again")
    assert "1 opened in all" in await notebook.tab.total("open")


async def test_picture_is_small_on_the_page_and_in_the_file(folder: Path, live: Notebook) -> None:
    """A picture is at most 400 pixels tall, and saved in less than 300 kB."""
    page = live.tab.page
    box = await page.locator(".jp-OutputArea-output", has=page.locator(".pill")).bounding_box()
    assert box is not None
    assert 300 < box["height"] <= TALLEST
    await live.command("docmanager:save")
    cells = json.loads((folder / "live.ipynb").read_text("utf-8"))["cells"]
    (saved,) = cells[2]["outputs"]
    assert len(json.dumps(saved)) < LARGEST


@pytest.mark.matrix
async def test_new_view_for_output_is_live_and_complete(open_picture: OpenPicture) -> None:
    """In a new view of its output the picture is live, too, and no part of it is cut off."""
    notebook = await open_picture("twice")
    page = notebook.tab.page
    await page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    await notebook.command("notebook:create-output-view")
    view = page.locator(".jp-LinkedOutputView")
    await view.locator(".pill", has_text="Live").wait_for()
    chart = view.locator(".plot path[stroke-width]").first
    first = await chart.get_attribute("d")

    async def changed() -> bool:
        return await chart.get_attribute("d") != first

    await until(changed, "the chart in the new view goes on")
    body = await view.locator(".body").evaluate("body => [body.scrollHeight, body.clientHeight]")
    assert body[0] <= body[1]


@pytest.mark.matrix
async def test_picture_follows_the_theme(open_picture: OpenPicture) -> None:
    """A change between JupyterLab's light and dark theme reaches text, lines and sliders."""
    notebook = await open_picture("theme", LAB)
    page = notebook.tab.page
    slider = page.locator("input[type=range]").first
    looks = """node => {
      const view = node.getRootNode().querySelector(".chart")
      return [getComputedStyle(view).color, getComputedStyle(view).backgroundColor,
              getComputedStyle(node).colorScheme]
    }"""
    light = await slider.evaluate(looks)
    await notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    await page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")

    async def changed() -> bool:
        dark = await slider.evaluate(looks)
        return all(one != other for one, other in zip(light, dark, strict=True))

    await until(changed, "the picture is dark")
    await notebook.command("apputils:change-theme", theme="JupyterLab Light")


@pytest.mark.matrix
async def test_axis_labels_are_complete_when_numbers_are_large(
    open_picture: OpenPicture,
) -> None:
    """No label of an axis is cut off at an edge of its chart, with any numbers."""
    notebook = await open_picture("axes", LARGE)
    payload = notebook.tab.page.locator('[data-chart*="Payload"]')
    await payload.locator("text", has_text="k").first.wait_for()
    cut = """charts => charts.flatMap(chart => {
      const {left, right} = chart.getBoundingClientRect()
      return [...chart.querySelectorAll("text")].filter(text => {
        const box = text.getBoundingClientRect()
        return box.left < left || box.right > right
      }).map(text => text.textContent)
    })"""
    assert await notebook.tab.page.locator(".plot svg").evaluate_all(cut) == []


@pytest.mark.matrix
async def test_slider_and_its_scenario_survive_a_reload(open_picture: OpenPicture) -> None:
    """A picture of the lab is live after a reload, and its sliders move the scenario."""
    notebook = await open_picture("lab", LAB)
    await notebook.reload()
    await notebook.moves()
    slider = notebook.tab.page.get_by_role("slider", name="people")
    await slider.fill("7")
    await notebook.execute("from rtmon.testing import until\nawait until(lambda: chat.people == 7)")
    await notebook.execute("chat.people = 4")

    async def followed() -> bool:
        return await slider.input_value() == "4"

    await until(followed, "the slider follows the knob")
    await notebook.execute("await stop()")
    await notebook.pill("Ended")
    assert await slider.is_disabled()
