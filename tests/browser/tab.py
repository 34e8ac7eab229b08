"""A page in a real browser, with its errors and its requests to other hosts."""

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
"""Seconds after which a condition is taken never to come."""

expect.set_options(timeout=PATIENCE * 1e3)


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait until an asynchronous condition is true, and return its value."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await condition()):  # noqa: ASYNC110 - it is of any kind
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"this did not happen within {PATIENCE:g} s: {what}") from None
    return found


class Tab:
    """A page with its errors and its requests to other hosts.

    Attributes:
        page: the page.
        console: errors and warnings it logged, uncaught exceptions.
        outside: requests to other hosts.
        servers: host and port of each server that it has asked for something.
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
        """The servers that have ended while the page is open."""
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
        """The text of the first matching element."""
        return await self.page.locator(selector).first.inner_text()

    async def total(self, tile: str) -> str:
        """The exact total of a tile, as its text."""
        return await self.text(f'[data-total="{tile}"]')

    async def pill(self) -> str:
        """The state that the page shows."""
        return await self.text(".pill")

    async def rows(self, heading: str = "Connections") -> list[list[str]]:
        """The texts of a table's rows."""
        table = self.page.locator(f'table[aria-label="{heading}"]')
        rows: list[list[str]] = await table.evaluate(
            "table => [...table.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent))"
        )
        return rows

    async def live(self) -> None:
        """Wait until the page shows numbers."""

        async def shown() -> bool:
            await self.page.wait_for_selector(".pill")
            totals = self.page.locator('[data-total="open"]')
            unknown = await totals.count() > 0 and "–" in await totals.inner_text()
            return await self.pill() in {"Live", "Live again"} and not unknown

        await until(shown, "the page is live")

    async def choose(self, label: str) -> None:
        """Press one of a group of buttons that choose a display."""
        await self.page.get_by_role("button", name=label, exact=True).click()

    async def go(self, page: str) -> None:
        """Follow the link to a page."""
        rail = self.page.get_by_role("navigation", name="Pages")
        await rail.get_by_role("link", name=page).click()

    async def points(self) -> int:
        """How many points the charts have."""
        count: int = await self.page.evaluate(
            "Math.max(0, ...[...document.querySelectorAll('.plot')].map(p => +p.dataset.points))"
        )
        return count

    async def download(self, button: Any) -> tuple[str, str]:
        """Press a download button: the file's name and its text."""
        async with self.page.expect_download() as expected:
            await button.click()
        file = await expected.value
        path = await file.path()
        return file.suggested_filename, await asyncio.to_thread(_read, path)


def _read(path: Path) -> str:
    return path.read_bytes().decode()
