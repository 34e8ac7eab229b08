"""Notebooks of the course in a real JupyterLab, in a real browser, without the internet."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from .conftest import PATIENCE, ROOT, Open, Tab, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = """
import asyncio
import psutil
tasks = sorted(t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("rtmon"))
sockets = [s for s in psutil.Process().net_connections("tcp") if s.status == "LISTEN"]
print("left:", tasks, len(sockets))
"""
"""What a notebook has running: rtmon's tasks by name, and listening sockets (the kernel's too)."""


CLIENTS = 60
"""Clients of the reconnect storm, fewer than the notebook's: the browser runs beside them."""

ONLINE = """
() => [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
  .filter(m => m.type.endsWith("ColumnDataSource")).map(m => [...(m.data.online ?? [])])
  .find(values => values.length) ?? []
"""
"""The curve of the clients that are online, as the page has it."""


def prepare(name: str, path: Path, *, until: str) -> None:
    """Write the beginning of a notebook, and its last cell, which shows the button that ends it.

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


EXTENSIONS = {
    "jupyterlab": True,
    **dict.fromkeys(("jupyter_lsp", "jupyter_server_terminals", "notebook_shim"), False),
}
"""Of Jupyter's server: these notebooks need no more."""

OPTIONS = (
    *("--no-browser", "--expose-app-in-browser", "--allow-root"),
    *("--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"),
    f"--ServerApp.jpserver_extensions={EXTENSIONS}",
    *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
    "--LabApp.extension_manager=readonly",
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """JupyterLab in a process of its own: the address of its workspaces."""
    folder = tmp_path_factory.mktemp("lab")
    prepare("00_quickstart", folder / "00_quickstart.ipynb", until="## Your turn")
    # Up to its picture: with all its storms it would take most of a minute.
    prepare("04_reconnection", folder / "04_reconnection.ipynb", until="Five hundred connections")
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder}"),
        # It looks for a free port, and listens a good deal later: not among those that the system
        # gives to others meanwhile.
        f"--ServerApp.port={random.randrange(20_000, 32_000)}",
        env={
            **os.environ,
            **{f"JUPYTER_{place}": str(folder / f".{place}") for place in places},
            "IPYTHONDIR": str(folder / ".ipython"),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    found, drain, said = None, None, ""
    try:
        async with asyncio.timeout(PATIENCE):
            while found is None:
                line = (await process.stderr.readline()).decode()
                said += line
                assert line, f"JupyterLab has ended: {said}"
                found = re.search(r"(http://127\.0\.0\.1:(\d+))/lab", line)
        drain = asyncio.create_task(process.stderr.read())

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", int(found[2]))
            except OSError:
                return False
            writer.close()
            return True

        await until(listens, "JupyterLab listens where it said")
        yield f"{found[1]}/lab/workspaces"
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            if drain is not None:
                await drain


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """One cache for all pages: JupyterLab is large."""
    context = await chromium.new_context(
        viewport={"width": 1440, "height": 1400}, color_scheme="light"
    )
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_notebook(
    lab: str, context: BrowserContext, open_tab: Open
) -> AsyncIterator[Callable[[str], Awaitable[Tab]]]:
    """Opens a notebook on a page, with a kernel that is ready."""
    tabs: list[Tab] = []

    async def open_(name: str) -> Tab:
        # A workspace of its own: else JupyterLab opens the notebooks of the page before, too.
        tab = await open_tab(f"{lab}/{name}/tree/{name}.ipynb", context=context)
        tabs.append(tab)
        await tab.page.wait_for_function(
            """name => {
              const widget = window.jupyterapp?.shell.currentWidget
              return widget?.context?.path === `${name}.ipynb`
                && widget.sessionContext?.session?.kernel?.status === "idle"
            }""",
            arg=name,
        )
        return tab

    yield open_
    for tab in tabs:
        await tab.page.close()
        tab.console.clear()  # JupyterLab's own warnings are not ours to judge


async def execute(tab: Tab, code: str) -> None:
    """Run code in the notebook's kernel."""
    await tab.page.evaluate(
        "code => jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code}).done",
        code,
    )


async def run_all(tab: Tab) -> str:
    """Run all cells; returns what the last one printed when the kernel is idle again."""
    await tab.page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    await tab.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    async def printed() -> str:
        # From the notebook's model: cells that are scrolled away are not in the page.
        cells: list[list[dict[str, Any]]] = await tab.page.evaluate(
            "jupyterapp.shell.currentWidget.content.model.sharedModel.cells"
            ".map(cell => cell.getOutputs?.() ?? [])"
        )
        errors = [output for cell in cells for output in cell if output["output_type"] == "error"]
        assert not errors, errors
        outputs = cells[-1]
        return "".join("".join(output.get("text", output["output_type"])) for output in outputs)

    text: str = await until(printed, "the last cell has printed")
    return text.strip()


async def pixels(tab: Tab) -> Any:
    """The picture of the first chart, as text."""
    return await tab.page.evaluate(
        """() => {
          const find = (node) => {
            for (const each of (node.shadowRoot ?? node).querySelectorAll("*")) {
              if (each.tagName === "CANVAS" && each.width > 100) return each
              const inside = each.shadowRoot && find(each)
              if (inside) return inside
            }
          }
          return find(document.querySelector(".jp-Notebook"))?.toDataURL()
        }"""
    )


async def test_quickstart(open_notebook: Callable[[str], Awaitable[Tab]]) -> None:
    """The picture moves on after all cells have run, cells run twice leave nothing behind, and the
    button of the last cell ends it.
    """
    tab = await open_notebook("00_quickstart")
    left = await run_all(tab)
    assert left.startswith("left: [")
    await tab.page.locator(".pill").scroll_into_view_if_needed()

    async def live() -> bool:
        return await tab.pill() in {"Live", "Live again"} and "–" not in await tab.total("open")

    await until(live, "the picture is live")
    first = await pixels(tab)
    assert first

    async def changed() -> bool:
        return await pixels(tab) not in {None, first}

    await until(changed, "the canvas changes after the last cell is done")

    assert await run_all(tab) == left
    assert await tab.page.locator(".pill").count() == 1
    await until(live, "the picture is live again")
    await tab.page.get_by_role("button", name="End everything").click()

    async def ended() -> bool:
        return await tab.pill() == "Ended" and "measures no more" in await tab.text(".banner")

    await until(ended, "the picture says that it has ended")
    await tab.page.get_by_role("button", name="Everything has ended").wait_for()


async def test_cut(open_notebook: Callable[[str], Awaitable[Tab]]) -> None:
    """In the notebook on reconnection, "Cut all" makes the curve drop; it recovers by itself."""
    tab = await open_notebook("04_reconnection")
    assert (await run_all(tab)).startswith("left: [")
    await execute(tab, "storm.away, storm.base, storm.jitter = 2, 1, 1")

    async def all_online() -> bool:
        curve = await tab.page.evaluate(ONLINE)
        return bool(curve) and curve[-1] == CLIENTS

    async def dropped() -> bool:
        return min(await tab.page.evaluate(ONLINE) or [CLIENTS]) < CLIENTS / 2

    await until(all_online, "all clients are online")
    assert not await dropped()
    await tab.page.get_by_role("button", name="Cut all").click()
    await until(dropped, "the curve drops")
    await until(all_online, "the curve recovers")
    await execute(tab, "await rtmon.notebook.stop()")
