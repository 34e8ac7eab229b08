"""Take the screenshots of the dashboard in docs/images: each page, both themes, three widths.

`make screenshots` runs this program; names of pages as arguments take only those.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from rtmon.core.child_processes import Child, stop
from rtmon.lab.load import Load, LoadOptions

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PAGES = {
    "dashboard": "",
    "connections": "?page=connections",
    "connection": "?page=connection&id=c1",
    "channels": "?page=channels",
    "latency": "?page=latency",
    "events": "?page=events",
}
SIZES = {"": (1440, 900), "-wide": (1920, 1080), "-phone": (390, 844)}
SECONDS = 75
"""Seconds for which users send messages before the screenshots, so that charts have points."""


async def photograph(browser: Browser, url: str, name: str) -> None:
    """Take the screenshots of a page."""
    for theme in ("dark", "light"):
        for suffix, (width, height) in SIZES.items():
            size = {"width": width, "height": height}
            context = await browser.new_context(viewport=size, color_scheme=theme)
            page = await context.new_page()
            await page.goto(url + PAGES[name])
            await page.wait_for_selector(".pill.live")
            await page.wait_for_timeout(4000)  # wait until the small charts in the rows have points
            await page.screenshot(path=IMAGES / f"{name}-{theme}{suffix}.png")
            await context.close()


async def main(names: list[str]) -> None:
    """Start a server with users and its dashboard, and take the screenshots."""
    server = Child("the server's", "serve", "--port=0", "--admin-port=0", "--ping-interval=1")
    children = [server]
    try:
        facts = dict(server.ready())
        dashboard = Child(
            "the dashboard's", "dashboard", facts["admin"], "--port=0", "--no-browser"
        )
        children.append(dashboard)
        shown = dict(dashboard.ready())
        async with (
            Load(facts["url"], LoadOptions(users=60, rate=2.0)),
            async_playwright() as running,
        ):
            await asyncio.sleep(SECONDS)
            browser = await running.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for name in names or PAGES:
                await photograph(browser, shown["url"], name)
            await browser.close()
    finally:
        stop(children)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
