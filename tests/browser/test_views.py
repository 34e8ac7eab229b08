"""Pages of the dashboard in the cells of a real JupyterLab, without the internet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.peers.packages import install

from .jupyter import Notebook, OpenNotebook
from .tab import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.matrix]

START = (
    """
import rtmon
from rtmon.notebook import start, stop
""",
    """
server = await start(rtmon.Hub(), ping_interval=0.5)
ada = await start(rtmon.connect(server.url, name="ada"), name="ada")
bob = await start(rtmon.connect(server.url, name="bob"), name="bob")
""",
)
"""A server with two clients."""

TALLEST = 400
"""Pixels of a view in a notebook."""

LARGEST = 300_000
"""Bytes of a view in a saved notebook."""

WIDTHS = (400, 700, 1000, 1600)
"""Pixels of a cell's output."""

RUN = """async () => {
  const tag = document.querySelector("[data-address]").localName
  const {violations} = await axe.run({fromShadowDom: [tag, ".cell"]}, {preload: false})
  return violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .flatMap(({id, nodes}) => nodes.map(({html, failureSummary: why}) => `${id}: ${html} ${why}`))
}"""
"""Returns axe-core's findings of serious or critical impact in a view: rule, element, fault."""

OpenViews = Callable[..., Awaitable[Notebook]]


@pytest.fixture
def open_views(open_notebook: OpenNotebook) -> OpenViews:
    """Opens a new notebook that shows views of a server, and runs it."""

    async def open_(name: str, *views: str) -> Notebook:
        notebook = await open_notebook(name, (*START, *views, "print('done')"))
        await notebook.pill("Live")
        return notebook

    return open_


async def test_page_is_live_after_a_reload_and_in_a_reopened_tab(
    open_views: OpenViews,
) -> None:
    """With a live kernel, a page is live again after a reload, in a reopened tab, and when its
    cell runs again.
    """
    notebook = await open_views("again", "server.monitor.view()")
    page = notebook.tab.page
    await notebook.moves()
    await notebook.reload()
    await notebook.moves()
    assert "2 opened in all" in await notebook.tab.total("open")

    await notebook.command("docmanager:save")
    await page.evaluate("jupyterapp.shell.currentWidget.close()")
    await page.wait_for_function("!document.querySelector('.jp-NotebookPanel')")
    await notebook.command("docmanager:open", path="again.ipynb")
    await notebook.ready()
    await notebook.moves()

    await page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    for _ in range(2):
        await notebook.command("notebook:run-cell")
        await notebook.moves()
    assert await page.locator(".pill").count() == 1


async def test_views_of_one_monitor_share_an_updater(open_views: OpenViews) -> None:
    """Two views of a Monitor have one page updater in the kernel; both are live, each with its
    own page.
    """
    notebook = await open_views(
        "two", 'server.monitor.view("latency")', 'server.monitor.view(chart="messages")'
    )
    await notebook.execute(
        "import asyncio\n"
        "names = [task.get_name() for task in asyncio.all_tasks()]\n"
        "assert names.count('rtmon-updater') == 1, names"
    )
    errors = [o for cell in await notebook.outputs() for o in cell if o["output_type"] == "error"]
    assert errors == []
    page = notebook.tab.page

    async def live() -> bool:
        return await page.locator(".pill").all_inner_texts() == ["Live", "Live"]

    await until(live, "both are live")
    await page.locator('[data-heat="rtt"]').wait_for()
    await page.locator('.tall[data-chart="messages"]').wait_for()


async def test_latency_view_shows_distributions_after_a_reload(open_views: OpenViews) -> None:
    """The saved rows are shown at once, and new ones once the kernel answers."""
    notebook = await open_views("latency", 'server.monitor.view("latency")')
    page = notebook.tab.page
    await page.locator("""[data-message*='"pane"']""").wait_for()
    await notebook.reload()
    await page.locator('[data-heat="rtt"]:not(.silent) canvas').wait_for()


async def test_view_is_not_live_while_its_kernel_is_blocked(open_views: OpenViews) -> None:
    """While the kernel's loop is blocked a view is grey and says so; then it is live again."""
    notebook = await open_views("blocked", 'server.monitor.view("connections")')
    page = notebook.tab.page
    blocked = asyncio.create_task(notebook.execute("import time; time.sleep(15)"))
    await notebook.pill("Not live")
    assert "The kernel does not answer" in await notebook.tab.text(".banner")
    assert await page.locator("main.stale").count() == 1
    await blocked
    await notebook.pill("Live")
    await page.get_by_role("link", name="ada", exact=True).wait_for()
    assert await page.locator("main.stale").count() == 0


async def test_view_fits_its_cell(folder: Path, open_views: OpenViews) -> None:
    """A view keeps its maximum height, no part of it is outside its cell at any width, and it
    is saved in less than 300 kB.
    """
    notebook = await open_views("fits", "server.monitor.view()")
    page = notebook.tab.page
    await notebook.moves()
    for width in WIDTHS:
        await page.set_viewport_size({"width": width + 200, "height": 900})
        over = await page.locator("main").evaluate("main => main.scrollWidth - main.clientWidth")
        assert over <= 0, width
        box = await page.locator(".cell").bounding_box()
        assert box is not None
        assert 300 < box["height"] <= TALLEST
    await notebook.command("docmanager:save")
    cells = json.loads((folder / "fits.ipynb").read_text("utf-8"))["cells"]
    (saved,) = cells[2]["outputs"]
    assert len(json.dumps(saved)) < LARGEST


async def test_view_follows_the_theme(open_views: OpenViews) -> None:
    """A change between JupyterLab's light and dark theme reaches a view's text and cards."""
    notebook = await open_views("theme", "server.monitor.view()")
    page = notebook.tab.page
    looks = """card => {
      const {color, backgroundColor} = getComputedStyle(card)
      return [color, backgroundColor, getComputedStyle(card.getRootNode().host).colorScheme]
    }"""
    card = page.locator(".tile").first
    light = await card.evaluate(looks)
    await notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    await page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")

    async def changed() -> bool:
        dark = await card.evaluate(looks)
        return all(one != other for one, other in zip(light, dark, strict=True))

    await until(changed, "the view is dark")
    await notebook.command("apputils:change-theme", theme="JupyterLab Light")


async def test_view_keeps_page_focus_and_scroll_when_the_output_is_saved(
    open_views: OpenViews,
) -> None:
    """When the kernel replaces the saved output, page, focus and scroll of the view stay."""
    notebook = await open_views("place", 'server.monitor.view("events")')
    page = notebook.tab.page
    element = await page.locator(".cell").evaluate_handle("cell => cell.getRootNode().host")
    await page.get_by_role("link", name="Overview").click()
    await page.locator("main").evaluate("main => { main.scrollTop = 150 }")
    await page.get_by_role("button", name="Pause").focus()
    await page.wait_for_function("element => !element.isConnected", arg=element)
    assert await page.locator(".tile").count() > 0
    assert await page.locator("main").evaluate("main => main.scrollTop") == 150
    focused = "document.activeElement.shadowRoot.activeElement.textContent"
    assert await page.evaluate(focused) == "Pause"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
async def test_axe_finds_nothing_serious_in_a_view(open_views: OpenViews, theme: str) -> None:
    """In both of JupyterLab's themes a view's pages are as accessible as the dashboard's."""
    notebook = await open_views(f"axe-{theme[11:]}", "server.monitor.view(height=700)")
    page = notebook.tab.page
    await notebook.command("apputils:change-theme", theme=theme)
    dark = str(theme != "JupyterLab Light").lower()
    await page.wait_for_function(f"document.body.dataset.jpThemeLight !== '{dark}'")
    await notebook.moves()
    await page.add_script_tag(path=install() / "axe-core" / "axe.min.js")
    assert await page.evaluate(RUN) == []
    await page.get_by_role("navigation", name="Pages").get_by_text("Connections").click()
    await page.get_by_role("link", name="ada", exact=True).wait_for()
    assert await page.evaluate(RUN) == []
    await notebook.command("apputils:change-theme", theme="JupyterLab Light")
