"""Try an installed rtmon as its users do: the demo, a notebook of the course, the dashboard.

`make test-wheel` runs this program. Run it with the Python of the environment in which rtmon is
installed, and outside a clone, since a clone would be imported instead.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

RTMON = Path(sysconfig.get_path("scripts")) / "rtmon"
USERS = 5
SECONDS = 60.0
"""Seconds to wait for each condition."""


def main() -> None:
    """Run the first notebook and the demo with its dashboard.

    Raises:
        SystemExit: Something does not work.
    """
    import rtmon

    package = Path(rtmon.__file__).resolve()
    if not package.is_relative_to(Path(sysconfig.get_path("purelib")).resolve()):
        raise SystemExit(f"rtmon is imported from {package}, which is not what was installed")
    names = sorted({re.split(r"[^\w.-]", line)[0] for line in requires("rtmon") or ()})
    print("Python", sys.version.split()[0], *(f"{n} {version(n)}" for n in _installed(names)))
    run_notebook(Path.cwd())
    asyncio.run(watch_demo())
    print("The demo, notebook 00 and the dashboard work.")


def _installed(names: list[str]) -> list[str]:
    found = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        found.append(name)
    return found


def run_notebook(folder: Path) -> None:
    """Copy the course as a learner does, and run its first notebook with unsolved exercises."""
    course = folder / "course"
    subprocess.run(
        [RTMON, "notebooks", str(course), "--no-start"], check=True, stdout=subprocess.DEVNULL
    )
    (first,) = course.glob("00*.ipynb")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(first, as_version=4)
    NotebookClient(notebook, timeout=250, resources={"metadata": {"path": str(course)}}).execute()


async def watch_demo() -> None:
    """Start the demo; check that the feed and the dashboard's page show its users."""
    ports = ("--port=0", "--admin-port=0", "--dashboard-port=0")
    demo = await asyncio.create_subprocess_exec(
        *(RTMON, "demo", f"--users={USERS}", "--no-browser", *ports),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        urls = await asyncio.wait_for(_urls(demo), SECONDS)
        await asyncio.wait_for(_feed(urls["admin"]), SECONDS)
        await asyncio.wait_for(_page(urls["dashboard"]), SECONDS)
    finally:
        if demo.returncode is None:
            demo.terminate()
        await asyncio.wait_for(demo.wait(), SECONDS)


async def _urls(demo: asyncio.subprocess.Process) -> dict[str, str]:
    """Read the addresses that the demo prints, each after its name."""
    urls = {}
    while line := await demo.stdout.readline() if demo.stdout else b"":
        match line.decode().split():
            case [name, url] if "://" in url:
                urls[name] = url
        if "admin" in urls:  # the admin address is printed last
            return urls
    raise SystemExit("the demo ended without naming its addresses")


async def _feed(address: str) -> None:
    from rtmon import open_feed
    from rtmon.testing import until

    feed = open_feed(address)
    await feed.start()
    await until(lambda: (snapshot := feed.snapshot()) is not None and snapshot.open > 0)
    await feed.aclose()


async def _page(url: str) -> None:
    """Wait until the navigation of the dashboard's page shows a number of connections."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox"],
        )
        page = await browser.new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(f"{url}?page=connections")
        await page.wait_for_selector(".pill.live", timeout=SECONDS * 1e3)
        await page.wait_for_function(
            "() => Number(document.querySelector('a[aria-current] .count')?.textContent) > 0"
        )
        await page.wait_for_selector("tbody tr")
        await browser.close()
    if failures:
        raise SystemExit(f"the dashboard's page failed: {failures}")


if __name__ == "__main__":
    main()
