"""Write docs/gallery: the notebooks with their outputs and screenshots of their pictures.

Runs each notebook in JupyterLab in Chromium, and saves outputs and screenshots. Takes about four
minutes. `make gallery` runs this program; names of notebooks as arguments render only these.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Locator, Page, async_playwright

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery"
PATIENCE = 240.0
COLOURS = 96
WIDTH, HEIGHT = 1000, 3600
"""Size of the page in pixels, so large that the largest picture fits."""

SETTINGS = {
    # Keep all cells on the page, so that screenshots of their outputs can be taken.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}

PICTURE = "application/vnd.rtmon.view.v1+json"
"""MIME type of a dashboard view or scenario in a cell's output."""

SMALL = 20
"""Height in pixels below which a cell's output only loads scripts and shows nothing."""

SETTLE = 3.0
"""Seconds to wait until the last drawing has reached the page."""


@contextlib.asynccontextmanager
async def jupyterlab(folder: Path) -> AsyncIterator[str]:
    """Run JupyterLab in its own process, and yield its address."""
    for name, values in SETTINGS.items():
        path = folder / ".settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"),
        *("--allow-root", "--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"),
        *("--ServerApp.port=0", f"--ServerApp.root_dir={folder}"),
        *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        env={
            **os.environ,
            **{f"JUPYTER_{place}": str(folder / f".{place}") for place in places},
            "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"),
            "IPYTHONDIR": str(folder / ".ipython"),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - stderr was requested above
    drain = None
    try:
        async with asyncio.timeout(PATIENCE):
            while line := (await process.stderr.readline()).decode():
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab", line):
                    break
        drain = asyncio.create_task(process.stderr.read())
        yield f"{found[1]}/doc"  # a document without the sidebars of JupyterLab
    finally:
        process.terminate()
        await process.wait()
        if drain is not None:
            await drain


async def run(page: Page, address: str) -> list[dict[str, Any]]:
    """Run a notebook without its last cell; return its cells with their outputs."""
    await page.goto(address)
    await page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    await page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    await page.wait_for_function(
        """() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells
             .filter(cell => cell.cell_type === "code" && cell.source)
             .every(cell => cell.execution_count)
           || jupyterapp.shell.currentWidget.content.model.sharedModel.cells
             .some(cell => cell.outputs?.some(output => output.output_type === "error"))"""
    )
    await asyncio.sleep(SETTLE)
    cells: list[dict[str, Any]] = await page.evaluate(
        "jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(cell => cell.toJSON())"
    )
    return cells


async def photograph(output: Locator, path: Path) -> None:
    """Save a screenshot of a cell's output with few colours."""
    await output.scroll_into_view_if_needed()
    with Image.open(io.BytesIO(await output.screenshot())) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)


async def render(page: Page, address: str, name: str) -> None:
    """Write one notebook as a Markdown page, with its screenshots beside it."""
    for old in GALLERY.glob(f"{name}-*.png"):
        old.unlink()
    parts = []
    for at, cell in enumerate(await run(page, address)):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\((\d\d_\w+)\.ipynb\)", r"(\1.md)", source))
            continue
        if not source:  # the last cell, whose source was emptied because it would stop the servers
            continue
        parts.append(f"```python\n{source}\n```")
        outputs = cell["outputs"]
        if any(PICTURE in _data(output) for output in outputs):
            picture = f"{name}-{at:02d}.png"
            shown = page.locator(".jp-Notebook .jp-Cell").nth(at).locator(".jp-OutputArea").first
            box = await shown.bounding_box()
            if box and box["height"] > SMALL:
                await photograph(shown, GALLERY / picture)
                parts.append(f"![What this cell shows]({picture})")
        elif text := "".join(map(_text, outputs)).strip():
            parts.append(f"```text\n{text}\n```")
    (GALLERY / f"{name}.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def _data(output: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = output.get("data", {})
    return data


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        raise SystemExit("a cell failed:\n" + "\n".join(output["traceback"]))
    return "".join(output.get("text") or _data(output).get("text/plain", "")) + "\n"


async def main(names: list[str]) -> None:
    """Render the notebooks named on the command line, or all."""
    GALLERY.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    sources = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            content = json.loads(source.read_text("utf-8"))
            content["cells"][-1]["source"] = []
            (Path(folder) / source.name).write_text(json.dumps(content), "utf-8")
        async with jupyterlab(Path(folder)) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            for source in sources:
                if not names or source.stem in names:
                    print(source.stem, flush=True)
                    view = {"width": WIDTH, "height": HEIGHT}
                    page = await browser.new_page(viewport=view, color_scheme="light")
                    page.set_default_timeout(PATIENCE * 1e3)
                    await render(page, f"{address}/tree/{source.name}", source.stem)
                    await page.close()
            await browser.close()
    listed = [f"* [{source.stem}]({source.stem}.md)" for source in sources]
    intro = (
        "# The course with its outputs\n\n"
        "Each page is a notebook of the course with the outputs and charts of one run.\n"
        "`make gallery` writes these pages.\n\n"
    )
    (GALLERY / "README.md").write_text(intro + "\n".join(listed) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
