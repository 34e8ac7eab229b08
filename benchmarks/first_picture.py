"""Benchmark of opening the dashboard: time until its charts are drawn, and bytes downloaded.

Runs a server with an hour of history, ``panel serve``, and Chromium. "Cold" is the first page of a
new dashboard process in a browser without a cache. "Warm" is the same address opened again by that
browser. The charts are drawn once the page says "Live" and its charts have points.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dashboard import panel
from measure import heading, machine, table, verdict
from playwright.async_api import Browser, BrowserContext, Response, async_playwright

from rtmon import Monitor, serve_admin
from rtmon.core.clock import SYSTEM_CLOCK

HOUR = 3600
CONNECTIONS = 50
COLD, WARM, DOWNLOAD = 2.0, 1.0, 1.5
"""Targets: seconds until a cold and a warm page is drawn, and compressed MB of a cold page."""

DRAWN = """() => document.querySelector('.pill')?.textContent === 'Live' &&
  [...document.querySelectorAll('.plot')].some(plot => Number(plot.dataset.points) > 100)"""


@dataclass
class LateClock:
    """The system's clock, delayed by some seconds.

    Attributes:
        late: Delay in seconds.
    """

    late: float

    def monotonic(self) -> float:
        return SYSTEM_CLOCK.monotonic() - self.late

    def time(self) -> float:
        return SYSTEM_CLOCK.time() - self.late


async def serve_hour() -> None:
    """Serve a Monitor with an hour of history, and print its address.

    Ends when standard input ends.
    """
    clock = LateClock(HOUR)
    monitor = Monitor(clock=clock)
    meters = [monitor.collector.meter() for _ in range(CONNECTIONS)]
    for meter in meters:
        meter.path = "/chat"
        monitor.connection_opened(meter)

    def tick(second: int) -> None:
        for number, meter in enumerate(meters):
            meter.received(100 + number)
            meter.sent(200)
            monitor.collector.rtt(meter, 1e-3 * (1 + (number + second) % 20))

    for second in range(HOUR):
        tick(second)
        clock.late -= 1
        monitor.tick()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with serve_admin(monitor, port=0) as admin:
        print(admin.url, flush=True)
        while not ended.done():
            tick(int(clock.time()))
            await asyncio.wait({ended}, timeout=1.0)
    monitor.close()


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Run :func:`serve_hour` in its own process; yield the address of its admin listener."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def opened(context: BrowserContext, url: str) -> float:
    """Open a page; return the seconds until its charts are drawn."""
    page = await context.new_page()
    began = time.perf_counter()
    await page.goto(url, wait_until="commit")
    await page.wait_for_function(DRAWN, polling=10)
    took = time.perf_counter() - began
    await page.close()
    return took


async def downloaded(context: BrowserContext, url: str) -> float:
    """Open a page; return the bytes of all its resources, each compressed as a proxy would do."""
    page = await context.new_page()
    responses: list[Response] = []
    # Playwright needs a function that it can mark.
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108
    await page.goto(url, wait_until="commit")
    await page.wait_for_function(DRAWN, polling=10)
    size = 0
    for response in responses:
        size += len(gzip.compress(await response.body()))
    await page.close()
    return size


async def measured(browser: Browser, admin: str) -> tuple[float, float, float]:
    """Return cold and warm seconds of a new dashboard, and compressed bytes of the cold page."""
    async with panel("dashboards/live.py", admin) as (_, url):
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        cold = await opened(context, url)
        warm = await opened(context, url)
        await context.close()
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        size = await downloaded(context, url)
        await context.close()
    return cold, warm, size


async def main(rounds: int) -> None:
    """Run all rounds, and print the table."""
    heading("The first picture", machine())
    async with served() as admin, async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = [await measured(browser, admin) for _ in range(rounds)]
        await browser.close()
    colds, warms, sizes = (sorted(values) for values in zip(*found, strict=True))
    lines = []
    for name, values, aim, unit in (
        ("cold: the first page of a process, nothing cached", colds, COLD, "s"),
        ("warm: opened again", warms, WARM, "s"),
        ("cold download, compressed", [size / 1e6 for size in sizes], DOWNLOAD, "MB"),
    ):
        middle = statistics.median(values)
        spread = f"{middle:.2f} {unit} ({values[0]:.2f} to {values[-1]:.2f})"
        lines.append([name, spread, f"≤ {aim:g} {unit}", verdict(middle <= aim)])
    table([f"{rounds} rounds", "median (least to most)", "target", ""], lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    asyncio.run(serve_hour() if options.serve else main(options.rounds))
