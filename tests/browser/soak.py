"""Soak tests of the dashboard's memory use, run by hand.

``python -m tests.browser.soak --tabs 200`` opens and closes tabs, ten at a time. It fails if the
memory of the dashboard's process grows by more than a tenth from half of the tabs to the end.

``python -m tests.browser.soak --hours 24`` leaves one tab open on a simulated server whose clock
runs faster than real time. It fails if the tab's memory or its number of DOM nodes grows by more
than a tenth from the first third of that time to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
from playwright.async_api import async_playwright

from .conftest import OFFLINE, ROOT, panel_serve, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

AT_ONCE = 10
GROWTH = 1.1
"""Largest allowed ratio of a later value to an earlier value."""

SPEED = 100
"""Simulated seconds per real second, if the machine is fast enough."""

USERS = 100
"""Users of the simulated server, each of which sends one message per simulated second."""

SECONDS = f"""Number(
  document.querySelector('[data-total="messages_in"]').textContent.replace(/\\D/g, "")
) / {USERS}"""
"""JavaScript expression: simulated seconds so far, computed from the page's message total."""

LOOKS = 12
"""How many times the tab's memory is measured in a run."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Launch the installed Chromium without access to other hosts."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", OFFLINE]
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


def serving_process(url: str) -> psutil.Process:
    """Return the process that listens on the port of a URL."""
    port = urlsplit(url).port
    listening = [one for one in psutil.net_connections("tcp") if one.status == "LISTEN"]
    return psutil.Process(next(one.pid for one in listening if one.laddr.port == port))


async def come_and_go(tabs: int) -> None:
    """Open and close this many tabs, and check that the dashboard's memory stays bounded."""
    sizes = []
    with serving("serve", "--port=0", "--admin-port=0") as (_, facts):
        async with chromium() as browser, panel_serve(facts["admin"]) as url:
            process = serving_process(url)
            for number in range(AT_ONCE, tabs + 1, AT_ONCE):
                context = await browser.new_context()
                for page in [await context.new_page() for _ in range(AT_ONCE)]:
                    await page.goto(url)
                    await page.locator(".pill", has_text="Live").wait_for()
                await context.close()
                sizes.append(process.memory_info().rss / 1e6)
                # The measurements are the output.
                print(f"{number} tabs: {sizes[-1]:.0f} MB", flush=True)  # noqa: T201
    half = sizes[len(sizes) // 2 - 1]
    assert sizes[-1] <= GROWTH * half, f"{half:.0f} MB after half, {sizes[-1]:.0f} MB at the end"


async def stay(hours: float) -> None:
    """Leave one tab open for this many simulated hours, and check that its memory stays bounded."""
    os.environ.update(RTMON_USERS=str(USERS), RTMON_SPEED=str(SPEED))
    script = ROOT / "tests" / "browser" / "day.py"
    async with chromium() as browser, panel_serve(None, script=script) as url:
        page = await browser.new_page()
        await page.goto(url)
        await page.locator(".pill", has_text="Live").wait_for()
        found = []
        for number in range(1, LOOKS + 1):
            hour = number * hours / LOOKS
            await page.wait_for_function(f"{SECONDS} >= {hour * 3600}", timeout=0, polling=1000)
            heap, nodes = await memory(page)
            found.append((heap, nodes))
            print(f"hour {hour:g}: {heap:.1f} MB, {nodes:.0f} nodes", flush=True)  # noqa: T201
        assert await page.locator(".pill").inner_text() == "Live"
    third = LOOKS // 3
    for name, values in zip(("MB", "nodes"), zip(*found, strict=True), strict=True):
        # Compare the minimum of each third: higher values include garbage not yet collected.
        before, after = min(values[:third]), min(values[-third:])
        assert after <= GROWTH * before, f"from {before:.1f} to {after:.1f} {name}"


async def memory(page: Page) -> tuple[float, float]:
    """Return a page's JavaScript heap in MB after garbage collection, and its count of DOM
    nodes.
    """
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    heap = await session.send("Runtime.getHeapUsage")
    counters = await session.send("Memory.getDOMCounters")
    await session.detach()
    return heap["usedSize"] / 1e6, counters["nodes"]


def main() -> None:
    """Run the soak test that the command line selects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, help="tabs to open and close")
    parser.add_argument("--hours", type=float, help="hours of the server's day")
    options = parser.parse_args()
    if options.tabs:
        asyncio.run(come_and_go(options.tabs))
    elif options.hours:
        asyncio.run(stay(options.hours))
    else:
        parser.error("give --tabs or --hours")


if __name__ == "__main__":
    main()
