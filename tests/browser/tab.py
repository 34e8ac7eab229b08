"""A browser page for tests that records console errors and requests to other hosts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, expect

__all__ = ["PATIENCE", "Tab", "until"]

PATIENCE = 120.0
"""Seconds to wait for a condition before the test fails."""

expect.set_options(timeout=PATIENCE * 1e3)


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait until an asynchronous condition is true, and return its value.

    Raises:
        AssertionError: The condition is still false after ``PATIENCE`` seconds.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await condition()):  # noqa: ASYNC110 - any condition is polled
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"this did not happen within {PATIENCE:g} s: {what}") from None
    return found


class Tab:
    """A browser page with a record of its console errors and its requests to other hosts.

    Attributes:
        page: Playwright's page.
        console: Errors and warnings that the page logged, and its uncaught exceptions.
        outside: URLs of requests to other hosts than 127.0.0.1.
        servers: Host and port of each server that the page sent a request to.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: list[str] = []
        self.outside: list[str] = []
        self.servers: set[tuple[str, int]] = set()
        page.set_default_timeout(PATIENCE * 1e3)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.console.append(message.text)

    def _asked(self, url: str) -> None:
        if not re.match(r"(data|blob):|(http|ws)://127\.0\.0\.1[:/]", url):
            self.outside.append(url)
        parts = urlsplit(url)
        if parts.hostname and parts.port:
            self.servers.add((parts.hostname, parts.port))

    async def outlived(self) -> list[str]:
        """Return the servers of this page that no longer accept connections while the page
        is open.
        """
        gone = []
        for host, port in [] if self.page.is_closed() else sorted(self.servers):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                gone.append(f"{host}:{port}")
            else:
                writer.close()
                await writer.wait_closed()
        return gone

    async def text(self, selector: str) -> str:
        """Return the text of the first element that matches a CSS selector."""
        return await self.page.locator(selector).first.inner_text()

    async def total(self, tile: str) -> str:
        """Return the text of a tile's exact total, such as "1,234 in all"."""
        return await self.text(f'[data-total="{tile}"]')

    async def pill(self) -> str:
        """Return the text of the page's state label, such as "Live"."""
        return await self.text(".pill")

    async def rows(self, heading: str = "Connections") -> list[list[str]]:
        """Return the cell texts of each row of the table with this label."""
        table = self.page.locator(f'table[aria-label="{heading}"]')
        rows: list[list[str]] = await table.evaluate(
            "table => [...table.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent))"
        )
        return rows

    async def live(self) -> None:
        """Wait until the page's state is live and its tile of open connections has a number."""

        async def shown() -> bool:
            await self.page.wait_for_selector(".pill")
            totals = self.page.locator('[data-total="open"]')
            unknown = await totals.count() > 0 and "–" in await totals.inner_text()
            return await self.pill() in {"Live", "Live again"} and not unknown

        await until(shown, "the page is live")

    async def choose(self, label: str) -> None:
        """Press the button with this label."""
        await self.page.get_by_role("button", name=label, exact=True).click()

    async def go(self, page: str) -> None:
        """Follow the link to a page in the navigation bar."""
        rail = self.page.get_by_role("navigation", name="Pages")
        await rail.get_by_role("link", name=page).click()

    async def points(self) -> int:
        """Return the number of points of the chart that has most."""
        count: int = await self.page.evaluate(
            "Math.max(0, ...[...document.querySelectorAll('.plot')].map(p => +p.dataset.points))"
        )
        return count

    async def download(self, button: Any) -> tuple[str, str]:
        """Press a download button; return the name and the text of the downloaded file."""
        async with self.page.expect_download() as expected:
            await button.click()
        file = await expected.value
        path = await file.path()
        return file.suggested_filename, await asyncio.to_thread(_read, path)


def _read(path: Path) -> str:
    return path.read_bytes().decode()
