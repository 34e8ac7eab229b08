"""Real processes and a real browser: servers, dashboards, and pages that must stay at home."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    async_playwright,
    expect,
)

from rtmon.core.child_processes import Child, stop

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds after which a condition is taken never to come."""

expect.set_options(timeout=PATIENCE * 1e3)

STEADY = {"ramp": 0.0, "churn": 0.0}
"""Users who are all there at once, and stay."""

OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
"""Every host but this one does not exist."""


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait until an asynchronous condition holds, and return what it returned."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await condition()):  # noqa: ASYNC110 - it is of any kind
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"this did not happen within {PATIENCE:g} s: {what}") from None
    return found


def exact(number: int) -> str:
    """A number as the page writes it."""
    return f"{number:,}"


class Tab:
    """A page with what it did that it should not have done.

    Attributes:
        page: the page.
        console: errors and warnings it logged, exceptions nobody caught.
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
        """The servers that are gone, while the page is there."""
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
        """The text of the first element that fits."""
        return await self.page.locator(selector).first.inner_text()

    async def total(self, tile: str) -> str:
        """The exact total that a tile shows, in words."""
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
        """Press one of the buttons that choose what is shown."""
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
        """Press a button that downloads: the file's name and its text as it is."""
        async with self.page.expect_download() as expected:
            await button.click()
        file = await expected.value
        path = await file.path()
        return file.suggested_filename, await asyncio.to_thread(_read, path)


Open = Callable[..., Awaitable[Tab]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    """Playwright on this module's loop."""
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """The machine's Chromium, which finds no other host."""
    # It does not start where it cannot write to these.
    places = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    browser = await playwright.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",  # which in containers is too small for a page
            "--disable-background-networking",
            "--force-effective-connection-type=4G",  # else a slow machine is a warning
            "--no-first-run",
            OFFLINE,
        ],
        env={**os.environ, **{name: str(tmp_path_factory.mktemp("xdg")) for name in places}},
        timeout=PATIENCE * 1e3,
    )
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_tab(chromium: Browser) -> AsyncIterator[Open]:
    """Opens pages; at the end none of them may have asked another host, or complained.

    A page whose server ends complains of that, sooner or later. So that no test passes because it
    was quick, a page that is still open must have its servers still: close it before they end.
    """
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    async def open_(
        url: str,
        *,
        context: BrowserContext | None = None,
        width: int = 1440,
        height: int = 900,
        scheme: Any = "dark",
    ) -> Tab:
        if context is None:
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            contexts.append(context)
        tab = Tab(await context.new_page())
        tabs.append(tab)
        await tab.page.goto(url)
        return tab

    yield open_
    outlived = {tab.page.url: gone for tab in tabs if (gone := await tab.outlived())}
    for context in contexts:
        await context.close()
    assert outlived == {}, "these pages are to be closed before their servers end"
    assert [tab.outside for tab in tabs if tab.outside] == []
    assert [tab.console for tab in tabs if tab.console] == []


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """The addresses of a chat server in a process of its own, which a module's tests share."""
    with serving("serve", "--port=0", "--admin-port=0", "--ping-interval=0.5") as (_, facts):
        yield facts


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(server: dict[str, Any]) -> AsyncIterator[str]:
    """The address of the dashboard of that server, in a third process."""
    async with panel_serve(server["admin"]) as url:
        yield url


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[Child, dict[str, Any]]]:
    """An ``rtmon`` command in a process of its own, and what it announced."""
    child = Child("the test's", *arguments)
    try:
        yield child, dict(child.ready())
    finally:
        stop([child])


@contextlib.asynccontextmanager
async def panel_serve(
    url: str | None,
    *options: str,
    script: Path = ROOT / "dashboards" / "live.py",
    origin: str = "*",
) -> AsyncIterator[str]:
    """``panel serve`` of a script in processes of its own: the address of its page."""
    environment = {name: value for name, value in os.environ.items() if name != "RTMON_URL"}
    if url is not None:
        environment["RTMON_URL"] = url
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "panel", "serve", str(script), "--port", "0"),
        *("--address", "127.0.0.1", "--allow-websocket-origin", origin, *options),
        env=environment,
        process_group=0,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    output = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(rb"http://\S+:\d+/\S+", output)):
                line = await process.stderr.readline()
                assert line, output.decode()
                output += line
        drain = asyncio.create_task(process.stderr.read())
        yield found[0].decode().replace("localhost", "127.0.0.1")
        assert process.returncode is None
    finally:
        # All of several processes: Panel does not end those of its own by itself.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    errors = (await drain).decode()
    # A tab that closes while it is written to is noise of the web server's own.
    assert str(ROOT / "rtmon") not in errors, errors
    assert "Error running application handler" not in errors, errors


def _read(path: Path) -> str:
    return path.read_bytes().decode()
