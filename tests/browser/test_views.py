"""Dashboard pages in notebook cells of JupyterLab, without internet access."""

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
"""Cells that start a server with two clients."""

TALLEST = 400
"""Largest height of a view in a notebook cell, in pixels."""

LARGEST = 300_000
"""Largest size of a view in a saved notebook, in bytes."""

WIDTHS = (400, 700, 1000, 1600)
"""Tested widths of a cell's output, in pixels."""

RUN = """async () => {
  const tag = document.querySelector("[data-address]").localName
  const {violations} = await axe.run({fromShadowDom: [tag, ".cell"]}, {preload: false})
  return violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .flatMap(({id, nodes}) => nodes.map(({html, failureSummary: why}) => `${id}: ${html} ${why}`))
}"""
"""JavaScript that returns axe-core's serious and critical findings in a view: rule, element,
explanation.
"""

OpenViews = Callable[..., Awaitable[Notebook]]


@pytest.fixture
def open_views(open_notebook: OpenNotebook) -> OpenViews:
    """Return a function that creates and runs a notebook with views of a server."""

    async def open_(name: str, *views: str) -> Notebook:
        notebook = await open_notebook(name, (*START, *views, "print('done')"))
        await notebook.pill("Live")
        return notebook

    return open_


async def test_notebook_view_is_live_again_after_reload_reopening_and_rerun(
    open_views: OpenViews,
) -> None:
    """Dashboard page in a notebook cell is live again after the browser page was reloaded, after
    the notebook was closed and reopened, and after the cell was run again.
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


async def test_two_views_of_one_monitor_share_one_page_updater(open_views: OpenViews) -> None:
    """Two dashboard views of one Monitor share one updater task in the notebook kernel; each view
    is live and shows its own page.
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
    """Latency page in a notebook draws its heat map after a page reload."""
    notebook = await open_views("latency", 'server.monitor.view("latency")')
    page = notebook.tab.page
    await page.locator("""[data-message*='"pane"']""").wait_for()
    await notebook.reload()
    await page.locator('[data-heat="rtt"]:not(.silent) canvas').wait_for()


async def test_view_says_that_it_is_not_live_while_its_kernel_is_blocked(
    open_views: OpenViews,
) -> None:
    """Dashboard view in a notebook turns grey and says that the kernel does not answer while the
    kernel is blocked, and is live again when the kernel answers.
    """
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
    """Dashboard view in a notebook stays within its cell at four widths, is at most 400 pixels
    tall, and takes less than 300 kB in the saved notebook.
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


async def test_view_changes_its_colours_with_the_theme_of_jupyterlab(open_views: OpenViews) -> None:
    """Text and tiles of a view change their colours when the user switches JupyterLab to its dark
    theme.
    """
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
    """Dashboard view in a notebook keeps its page, scroll position and keyboard focus when the
    kernel replaces the saved output.
    """
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
async def test_axe_finds_nothing_serious_in_a_notebook_view(
    open_views: OpenViews, theme: str
) -> None:
    """axe-core finds no serious or critical fault in a notebook view's overview and connections
    page, in JupyterLab's light and dark theme.
    """
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
