"""Dashboard views in JupyterLab's cell outputs: reload, second run, reopened tab, kernel
restart.
"""

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
"""Cells that start a server with one client and show its dashboard view."""

VIEW = (*CELLS[:2], "server.monitor.view()", CELLS[3])
"""Cells that start the same server and show its overview as a dashboard page with navigation."""

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
"""Cells that show a scenario of the lab with its sliders."""

LARGE = (
    LAB[0].replace("ChatRoom", "BatchingComparison"),
    """
server = await start(rtmon.Hub())
batching = await start(BatchingComparison(server, rate=300, payload=1000), name="batching")
""",
    "batching",
    "print('done')",
)
"""Cells that show a scenario whose charts have six-digit numbers of bytes per second."""

KEEP_SOCKETS = """
window.sockets = []
window.WebSocket = class extends WebSocket {
  constructor(...options) {
    super(...options)
    sockets.push(this)
  }
}
"""
"""Script that records a page's WebSockets in ``window.sockets``, so that a test can close them."""

BREAK = (
    "sockets.findLast(({protocol, url}) => protocol === '' && url.includes('/channels')).close()"
)
"""Closes the view's WebSocket. JupyterLab's own WebSockets differ: they have a subprotocol."""

TALLEST = 400
"""Largest height of a dashboard view in a cell, in pixels."""

LARGEST = 300_000
"""Largest size of a dashboard view in a saved notebook, in bytes."""

OpenPicture = Callable[..., Awaitable[Notebook]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context(context: BrowserContext) -> BrowserContext:
    """Make every page record its WebSockets, so that a test can close them."""
    await context.add_init_script(KEEP_SOCKETS)
    return context


async def run(notebook: Notebook) -> None:
    """Run all cells of a notebook, and wait until its dashboard view is live."""
    await notebook.ready()
    assert await notebook.run_all() == "done"
    await notebook.moves()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def live(folder: Path, lab: str, context: BrowserContext) -> AsyncIterator[Notebook]:
    """Open and run one notebook for the tests of this module. Each test leaves its view live."""
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
    """Return a function that creates and runs a notebook until its dashboard view is live."""

    async def open_(name: str, cells: tuple[str, ...] = CELLS) -> Notebook:
        notebook = await open_notebook(name, cells)
        await notebook.moves()
        return notebook

    return open_


async def said_since_when(notebook: Notebook, why: str) -> None:
    """Check that a view is grey, keeps its chart, and says since when and why it is not live."""
    await notebook.pill("Not live")

    async def told() -> bool:
        return why in await notebook.tab.text(".banner")

    await until(told, f"the banner says {why!r}")
    banner = await notebook.tab.text(".banner")
    since = r"Not live since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d( UTC)?\. "
    assert re.match(since, banner), banner
    assert await notebook.tab.page.locator(".view.stale, main.stale").count() == 1
    assert await notebook.drawn()


async def test_notebook_view_is_live_after_a_page_reload(live: Notebook) -> None:
    """Dashboard view in a notebook is live again after a page reload when the kernel still runs."""
    await live.reload()
    await live.moves()
    assert "1 opened in all" in await live.tab.total("open")


async def test_notebook_view_is_live_after_its_websocket_broke(live: Notebook) -> None:
    """Dashboard view in a notebook is live again after its WebSocket to Jupyter's server was
    closed.
    """
    page = live.tab.page
    before = await page.evaluate("sockets.length")
    await page.evaluate(BREAK)
    await page.wait_for_function("before => sockets.length > before", arg=before)
    await live.moves()
    # Lets the kernel close sockets that Jupyter no longer uses.
    await live.execute("import gc; gc.collect()")
    await live.moves()


async def test_notebook_view_is_live_and_alone_when_its_cell_runs_again(live: Notebook) -> None:
    """Notebook cell that is run again shows exactly one dashboard view, which is live."""
    await live.tab.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    for _ in range(2):
        await live.command("notebook:run-cell")
        await live.moves()
    assert await live.tab.page.locator(".pill").count() == 1


@pytest.mark.matrix
async def test_notebook_view_is_live_when_its_notebook_is_reopened(live: Notebook) -> None:
    """Dashboard view is live when its notebook is closed and opened again while the kernel runs."""
    await live.command("docmanager:save")
    await live.tab.page.evaluate("jupyterapp.shell.currentWidget.close()")
    await live.tab.page.wait_for_function("!document.querySelector('.jp-NotebookPanel')")
    await live.command("docmanager:open", path="live.ipynb")
    await live.ready()
    await live.moves()


async def test_notebook_view_says_since_when_it_is_not_live_after_a_kernel_restart(
    open_picture: OpenPicture,
) -> None:
    """Dashboard view in a notebook keeps its last numbers and shows how old they are after
    a kernel restart, also when the page is reloaded.
    """
    notebook = await open_picture("restart")
    await notebook.restart_kernel()
    await said_since_when(notebook, "run this notebook's cells again")
    await notebook.reload()
    await said_since_when(notebook, "run this notebook's cells again")
    assert "1 opened in all" in await notebook.tab.total("open")


async def test_dashboard_page_in_a_cell_navigates_without_leaving_the_notebook(
    open_picture: OpenPicture,
) -> None:
    """Dashboard page in a notebook cell follows links, searches and goes back without changing
    JupyterLab's address or the notebook.
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


async def test_notebook_view_is_at_most_400_pixels_tall_and_300_kb_large(
    folder: Path, live: Notebook
) -> None:
    """Dashboard view in a notebook is at most 400 pixels tall and takes less than 300 kB in the
    saved file.
    """
    page = live.tab.page
    box = await page.locator(".jp-OutputArea-output", has=page.locator(".pill")).bounding_box()
    assert box is not None
    assert 300 < box["height"] <= TALLEST
    await live.command("docmanager:save")
    cells = json.loads((folder / "live.ipynb").read_text("utf-8"))["cells"]
    (saved,) = cells[2]["outputs"]
    assert len(json.dumps(saved)) < LARGEST


@pytest.mark.matrix
async def test_second_jupyterlab_view_of_an_output_is_live_and_not_cut_off(
    open_picture: OpenPicture,
) -> None:
    """JupyterLab's "Create New View for Output" shows a second dashboard view that is live and not
    cut off.
    """
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
async def test_scenario_view_follows_the_theme_of_jupyterlab(open_picture: OpenPicture) -> None:
    """Chart colours and sliders of a lab scenario's notebook view change when the user switches
    JupyterLab to its dark theme.
    """
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
async def test_axis_labels_stay_inside_their_chart_when_numbers_are_large(
    open_picture: OpenPicture,
) -> None:
    """Axis labels stay inside their chart when the numbers have six digits."""
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
async def test_scenario_sliders_work_after_a_page_reload(open_picture: OpenPicture) -> None:
    """Slider of a lab scenario still sets a value of the scenario and shows changes of this value
    after a page reload, and is disabled once the scenario has stopped.
    """
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
