"""The dashboard page says that its numbers are old when a server, link or dashboard is dead or
stalled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from rtmon.lab.load import Load, LoadOptions
from rtmon.testing import FaultProxy

from .conftest import STEADY, Open, Tab, exact, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEW = "page=connections&where=path%3A%2F&sort=-messages_in&range=60&columns=name,messages_in"
"""URL parameters of a view that must be the same after an outage."""


def forgive(tab: Tab) -> None:
    """Ignore the errors that Chromium logs while a server is unreachable."""
    tab.console[:] = [
        line
        for line in tab.console
        if "WebSocket connection to" not in line and "Failed to load resource" not in line
    ]


async def not_live(tab: Tab) -> None:
    """Wait until the page is grey and says since when it is not live."""

    async def said() -> bool:
        return await tab.pill() == "Not live" and "Not live since" in await tab.text(".banner")

    await until(said, "the page says since when it is not live")
    assert await tab.page.locator("main.stale").count() == 1


async def shows(tab: Tab, load: Load) -> None:
    """Wait until the table shows exactly the clients' own counts, with the view's URL parameters
    kept.
    """
    counted = {(user.name, exact(user.messages_out)) for user in load.report().connections}

    async def equal() -> bool:
        return {(row[0], row[1]) for row in await tab.rows()} == counted

    await until(equal, f"the table says {counted}")
    assert VIEW in tab.page.url
    assert await tab.page.get_by_role("searchbox").input_value() == "path:/"
    assert await tab.page.locator("main.stale").count() == 0


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(signal.SIGKILL, id="killed"),
        pytest.param(signal.SIGSTOP, id="stopped", marks=pytest.mark.matrix),
    ],
)
async def test_page_shows_the_same_view_when_its_dashboard_process_is_back(
    open_tab: Open, server: dict[str, Any], reserve_port: Callable[[], int], sign: signal.Signals
) -> None:
    """Dashboard page turns grey while its dashboard process is killed or stopped, and shows the
    same view with correct numbers once the process is back.
    """
    port = reserve_port()
    arguments = ("dashboard", server["admin"], f"--port={port}", "--no-browser")
    options = LoadOptions(users=3, rate=5.0, **STEADY)
    async with Load(server["url"], options) as load:
        assert await load.quiet()
        with serving(*arguments) as (child, shown):
            tab = await open_tab(f"{shown['url']}?{VIEW}")
            await tab.live()
            await shows(tab, load)
            os.kill(child.process.pid, sign)
            await not_live(tab)
            if sign == signal.SIGSTOP:
                os.kill(child.process.pid, signal.SIGCONT)
                await tab.live()
                await shows(tab, load)
                await tab.page.close()
                forgive(tab)
                return
            child.process.wait()
        with serving(*arguments):
            await tab.live()
            await shows(tab, load)
            await tab.page.close()
    forgive(tab)


async def test_page_is_live_within_30_seconds_when_its_frozen_link_recovers(
    open_tab: Open, server: dict[str, Any]
) -> None:
    """Dashboard page says that it is not live while its connection carries no data, and is live
    within 30 seconds after the connection works again.
    """
    options = LoadOptions(users=3, rate=5.0, **STEADY)
    with serving("dashboard", server["admin"], "--port=0", "--no-browser", "--origin=*") as (
        _,
        shown,
    ):
        address = shown["url"].replace("http", "ws")
        async with FaultProxy(address) as proxy, Load(server["url"], options) as load:
            assert await load.quiet()
            tab = await open_tab(f"{proxy.url.replace('ws', 'http', 1).rstrip('/')}/?{VIEW}")
            await tab.live()
            await shows(tab, load)
            proxy.set(frozen=True)
            await not_live(tab)
            began = time.monotonic()
            proxy.calm()
            await tab.live()
            assert time.monotonic() - began < 30
            await shows(tab, load)
            await tab.page.close()
    forgive(tab)


async def test_page_shows_no_number_when_it_never_reached_its_server(
    open_tab: Open, reserve_port: Callable[[], int]
) -> None:
    """Dashboard page shows "Connecting" and no numbers as long as the dashboard has never reached
    its server.
    """
    admin = f"ws://127.0.0.1:{reserve_port()}"
    with serving("dashboard", admin, "--port=0", "--no-browser") as (_, shown):
        tab = await open_tab(shown["url"])

        async def connecting() -> bool:
            return await tab.pill() == "Connecting" and "Connecting to" in await tab.text(".banner")

        await until(connecting, "the page says what it waits for")
        assert await tab.page.locator(".tile").count() == 0
        assert "0" not in await tab.text(".links")
        await tab.page.close()


async def test_page_names_the_origin_option_when_its_address_is_not_allowed(
    open_tab: Open, server: dict[str, Any]
) -> None:
    """Dashboard page that is opened at an address that is not an allowed origin shows the
    command-line option --origin with this address.
    """
    with serving("dashboard", server["admin"], "--port=0", "--no-browser") as (_, shown):
        async with elsewhere(shown["url"]) as url:
            tab = await open_tab(url)

            async def said() -> bool:
                return "--origin 127.0.0.1:" in await tab.text(".banner")

            await until(said, "the page names the option")
            await tab.page.close()
    forgive(tab)


@contextlib.asynccontextmanager
async def elsewhere(url: str) -> AsyncIterator[str]:
    """Serve the page at another address through a TCP relay that changes nothing, as a
    proxy would.
    """
    target = urlsplit(url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(target.hostname, target.port)
        async with asyncio.TaskGroup() as both:
            both.create_task(pass_on(reader, there[1]))
            both.create_task(pass_on(there[0], writer))

    relay = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}/"
    relay.close()


async def test_connection_count_equals_the_table_heading_at_each_tick(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Connections page shows the same number of connections in its navigation and in its table
    heading at each tick while clients connect and disconnect, or says that its rows are older.
    """
    tab = await open_tab(f"{page}?page=connections")
    await tab.live()
    seen = []
    for _ in range(5):
        async with connect(server["url"]):
            seen.append(await tab.page.evaluate(BOTH))
        seen.append(await tab.page.evaluate(BOTH))
    assert [each for each in seen if each[0] != each[1] and not each[2]] == []
    assert any(each[0] == each[1] for each in seen)


BOTH = """async () => {
  const count = document.querySelector('a[aria-current="page"] .count')
  const before = count.textContent
  await new Promise((resolve) => {
    const observer = new MutationObserver(() => { observer.disconnect(); resolve() })
    observer.observe(count, {childList: true, characterData: true, subtree: true})
    setTimeout(resolve, 3000)
  })
  const older = document.querySelector(".as-of").textContent
  return [count.textContent, document.querySelector("h2 small").textContent, older]
}"""
