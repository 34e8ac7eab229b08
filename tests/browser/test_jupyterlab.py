"""The quickstart notebook in a real JupyterLab, in a real browser, without the internet."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

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


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The quickstart without its last cell, which would end what is to be watched."""
    content = json.loads((ROOT / "notebooks" / "00_quickstart.ipynb").read_text("utf-8"))
    *content["cells"], last = content["cells"]
    assert "stop()" in "".join(last["source"])
    extra = {**last, "id": "count", "source": COUNT.strip().splitlines(keepends=True)}
    for cell in (extra, *content["cells"]):
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    content["cells"].append(extra)
    path = tmp_path / "quickstart.ipynb"
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest_asyncio.fixture(loop_scope="module")
async def lab(notebook: Path) -> AsyncIterator[str]:
    """JupyterLab in a process of its own: the address of the notebook in it."""
    folder = notebook.parent
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"),
        *("--allow-root", "--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"),
        *("--ServerApp.port=0", f"--ServerApp.root_dir={folder}"),
        *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        env={
            **os.environ,
            **{f"JUPYTER_{place}": str(folder / f".{place}") for place in places},
            "IPYTHONDIR": str(folder / ".ipython"),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while line := (await process.stderr.readline()).decode():
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab", line):
                    break
        assert found, "JupyterLab has ended"
        drain = asyncio.create_task(process.stderr.read())
        yield f"{found[1]}/lab/tree/{notebook.name}"
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await drain


async def run_all(tab: Tab) -> str:
    """Run all cells; returns what the last one printed when the kernel is idle again."""
    await tab.page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    await tab.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    async def printed() -> str:
        # From the notebook's model: cells that are scrolled away are not in the page.
        outputs: list[dict[str, Any]] = await tab.page.evaluate(
            "jupyterapp.shell.currentWidget.content.model.sharedModel.cells.at(-1).getOutputs()"
        )
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


async def test_quickstart(lab: str, open_tab: Open) -> None:
    """The picture moves on after the cells are done, and cells run twice leave nothing behind."""
    tab = await open_tab(lab, height=1400, scheme="light")
    await tab.page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
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
    await tab.page.evaluate(
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code: 'await stop()'}).done"
    )

    async def ended() -> bool:
        return await tab.pill() == "Ended" and "measures no more" in await tab.text(".banner")

    await until(ended, "the picture says that it has ended")
    tab.console.clear()  # JupyterLab's own warnings are not ours to judge
