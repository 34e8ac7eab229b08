"""JupyterLab in its own process, and the actions of a learner in its notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from .tab import PATIENCE, Tab, until

__all__ = [
    "Notebook",
    "OpenNotebook",
    "context",
    "folder",
    "jupyterlab",
    "lab",
    "open_notebook",
    "screen",
    "write",
]

EXTENSIONS = {
    "jupyterlab": True,
    **dict.fromkeys(("jupyter_lsp", "jupyter_server_terminals", "notebook_shim"), False),
}
"""Extensions of Jupyter's server: only JupyterLab is on, since the notebooks need no other."""

OPTIONS = (
    *("--no-browser", "--expose-app-in-browser", "--allow-root"),
    *("--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"),
    f"--ServerApp.jpserver_extensions={EXTENSIONS}",
    *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
    "--LabApp.extension_manager=readonly",
)


def write(path: Path, sources: Sequence[str]) -> None:
    """Write a notebook file with the given code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        {
            "id": f"cell-{at}",
            "cell_type": "code",
            "source": source,
            "outputs": [],
            "execution_count": None,
            "metadata": {},
        }
        for at, source in enumerate(sources)
    ]
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}
    path.write_text(json.dumps({**content, "cells": cells}), "utf-8")


@contextlib.asynccontextmanager
async def jupyterlab(folder: Path) -> AsyncIterator[str]:
    """Start JupyterLab in its own process, and yield the base URL of its workspaces."""
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder}"),
        # JupyterLab looks for a free port first and binds it much later. A port below the system's
        # range for clients is not taken by another process meanwhile.
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


class Notebook:
    """A notebook that is open on a page of JupyterLab.

    Attributes:
        tab: The browser page.
    """

    def __init__(self, tab: Tab, name: str) -> None:
        self.tab = tab
        self._name = name

    async def ready(self) -> None:
        """Wait until the notebook is open, with a kernel that is ready."""
        await self.tab.page.wait_for_function(
            """name => {
              const widget = window.jupyterapp?.shell.currentWidget
              return widget?.context?.path === `${name}.ipynb` && widget.context.isReady
                && widget.sessionContext?.session?.kernel?.status === "idle"
            }""",
            arg=self._name,
        )

    async def command(self, name: str, **arguments: Any) -> None:
        """Run a command of JupyterLab, and wait until it has finished."""
        await self.tab.page.evaluate(
            "([name, given]) => jupyterapp.commands.execute(name, given)", [name, arguments]
        )

    async def begin_to_run_all(self) -> None:
        """Start running all cells, and do not wait for them."""
        await self.command("notebook:clear-all-cell-outputs")
        # `void` discards the command's promise, which resolves only after the last cell.
        await self.tab.page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")

    async def execute(self, code: str) -> None:
        """Run code in the notebook's kernel."""
        await self.tab.page.evaluate(
            "code => jupyterapp.shell.currentWidget.sessionContext.session.kernel"
            ".requestExecute({code}).done",
            code,
        )

    async def outputs(self) -> list[list[dict[str, Any]]]:
        """Return the outputs of all cells from the notebook's model, also of cells scrolled out of
        view.
        """
        cells: list[list[dict[str, Any]]] = await self.tab.page.evaluate(
            "jupyterapp.shell.currentWidget.content.model.sharedModel.cells"
            ".map(cell => cell.getOutputs?.() ?? [])"
        )
        return cells

    async def run_all(self) -> str:
        """Run all cells; return the text of the last cell's output once the kernel is idle
        again.
        """
        await self.begin_to_run_all()

        async def printed() -> str:
            cells = await self.outputs()
            errors = [each for cell in cells for each in cell if each["output_type"] == "error"]
            assert not errors, errors
            last = cells[-1]
            return "".join("".join(each.get("text", each["output_type"])) for each in last)

        await until(printed, "the last cell has printed")
        await self.ready()
        return (await printed()).strip()

    async def reload(self) -> None:
        """Save the notebook, reload the page, and wait until the notebook is ready again."""
        await self.command("docmanager:save")
        await self.tab.page.reload()
        await self.ready()

    async def restart_kernel(self) -> None:
        """Restart the kernel, and wait until it is idle."""
        await self.tab.page.evaluate(
            "jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        await self.ready()

    async def pill(self, word: str) -> None:
        """Wait until the dashboard view's state label has this text, such as "Live"."""

        async def told() -> bool:
            pill = self.tab.page.locator(".pill").first
            return await pill.count() == 1 and await pill.inner_text() == word

        await until(told, f"the picture says {word!r}")

    async def drawn(self) -> str:
        """Return the SVG path of the first line of the first chart; empty if there is none."""
        path = self.tab.page.locator(".plot path[stroke-width]").first
        return await path.get_attribute("d") or ""

    async def moves(self) -> None:
        """Wait until the dashboard view is labelled "Live" and its first chart changes."""
        await self.pill("Live")
        first = await self.drawn()

        async def changed() -> bool:
            return await self.drawn() not in {"", first}

        await until(changed, "the chart goes on")


OpenNotebook = Callable[[str, Sequence[str]], Awaitable[Notebook]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the folder in which a test module writes its notebooks."""
    return tmp_path_factory.mktemp("notebooks")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(folder: Path) -> AsyncIterator[str]:
    """Start JupyterLab for the tests of a module, and yield the base URL of its workspaces."""
    async with jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def screen() -> dict[str, int]:
    """Width and height in pixels of the pages that a module's tests open."""
    return {"width": 1300, "height": 900}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context(chromium: Browser, screen: Any) -> AsyncIterator[BrowserContext]:
    """Open one browser context for all pages of a module, so that JupyterLab is cached once."""
    context = await chromium.new_context(viewport=screen, color_scheme="light")
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_notebook(
    folder: Path, lab: str, context: BrowserContext, open_tab: Callable[..., Awaitable[Tab]]
) -> AsyncIterator[OpenNotebook]:
    """Return a function that creates a notebook with given cells, opens it, and runs it.

    The last cell must print ``done``.
    """
    opened: list[Notebook] = []

    async def open_(name: str, cells: Sequence[str]) -> Notebook:
        write(folder / f"{name}.ipynb", cells)
        # Each notebook gets its own workspace: in a shared workspace JupyterLab would also reopen
        # the earlier notebooks.
        tab = await open_tab(f"{lab}/{name}/tree/{name}.ipynb", context=context)
        notebook = Notebook(tab, name)
        opened.append(notebook)
        await notebook.ready()
        assert await notebook.run_all() == "done"
        return notebook

    yield open_
    for notebook in opened:
        await notebook.command("kernelmenu:shutdown")
        await notebook.tab.page.close()
        notebook.tab.console.clear()  # JupyterLab's own warnings must not fail rtmon's tests
