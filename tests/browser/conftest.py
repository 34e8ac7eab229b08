"""Fixtures of the browser tests: Chromium without internet access, and rtmon servers and dashboards
in their own processes.
"""

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

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

from rtmon.core.child_processes import Child, stop

from .jupyter import context, folder, lab, open_notebook, screen
from .tab import PATIENCE, Tab, until

__all__ = [
    "OFFLINE",
    "PATIENCE",
    "ROOT",
    "STEADY",
    "Open",
    "Tab",
    "context",
    "exact",
    "folder",
    "lab",
    "open_notebook",
    "panel_serve",
    "screen",
    "serving",
    "until",
]
"""Names that the test modules import from here, and the JupyterLab fixtures that pytest looks up in
this file.
"""

ROOT = Path(__file__).parents[2]
STEADY = {"ramp": 0.0, "churn": 0.0}
"""Options of `rtmon load`: all users connect at once and stay connected."""

OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
"""Chromium option that makes every host name except 127.0.0.1 unresolvable."""


def exact(number: int) -> str:
    """Format a number with thousands separators, as the dashboard page does."""
    return f"{number:,}"


Open = Callable[..., Awaitable[Tab]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    """Run Playwright on the event loop that the tests of one module share."""
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """Launch the installed Chromium without access to other hosts."""
    # Chromium does not start if it cannot write to these folders.
    places = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    browser = await playwright.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",  # /dev/shm in containers is too small for a page
            "--disable-background-networking",
            # Without it Chromium logs a warning on a slow machine.
            "--force-effective-connection-type=4G",
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
    """Return a function that opens a page. At the end, fail if a page contacted another host or
    logged a warning or an error.

    A page logs errors once its server has ended, and a quick test could finish before them. So a
    test must close each page before the page's servers end.
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
    for each in contexts:
        await each.close()
    assert outlived == {}, "these pages are to be closed before their servers end"
    assert [tab.outside for tab in tabs if tab.outside] == []
    assert [tab.console for tab in tabs if tab.console] == []


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """Start a chat server in its own process for the tests of a module, and yield its addresses."""
    with serving("serve", "--port=0", "--admin-port=0", "--ping-interval=0.5") as (_, facts):
        yield facts


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(server: dict[str, Any]) -> AsyncIterator[str]:
    """Start a dashboard of the `server` fixture in its own process, and yield the page's
    address.
    """
    async with panel_serve(server["admin"]) as url:
        yield url


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[Child, dict[str, Any]]]:
    """Run an ``rtmon`` command in its own process; yield the process and the addresses it
    printed.
    """
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
    """Run ``panel serve`` with a dashboard script, and yield the address of its page."""
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
        # Signal the whole process group: Panel does not end its own workers.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    errors = (await drain).decode()
    # Panel's web server may log an error when a tab closes while it is written to. Only errors from
    # rtmon's own code fail the test.
    assert str(ROOT / "rtmon") not in errors, errors
    assert "Error running application handler" not in errors, errors
