"""The dashboard page while its server is down, and after the server has started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect

from .conftest import Open, panel_serve, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_page_turns_grey_when_its_server_is_killed_and_is_live_after_restart(
    open_tab: Open, reserve_port: Callable[[], int]
) -> None:
    """Dashboard page greys the last numbers when its server is killed by SIGKILL, and counts from 0
    when the server has restarted.
    """
    port, admin = reserve_port(), reserve_port()
    arguments = ("serve", "--echo", f"--port={port}", f"--admin-port={admin}")
    with (
        serving(*arguments) as (child, facts),
        serving("dashboard", facts["admin"], "--port=0", "--no-browser") as (_, shown),
    ):
        tab = await open_tab(shown["url"])

        async def greeted() -> bool:
            if await tab.page.locator(".pill").count() == 0:
                return False
            return await tab.total("open") == "1 opened in all"

        async with connect(facts["url"]):
            await until(greeted, "the page shows the connection")
            os.kill(child.process.pid, signal.SIGKILL)
            child.process.wait()

        async def lost() -> bool:
            return await tab.pill() == "Disconnected"

        await until(lost, "the page says that it is disconnected")
        assert "Disconnected from" in await tab.text(".banner")
        assert "grey" in await tab.text(".banner")
        assert await tab.total("open") == "1 opened in all"
        body = tab.page.locator("main.stale")

        async def grey() -> bool:
            return "grayscale(1)" in await body.evaluate("e => getComputedStyle(e).filter")

        await until(grey, "the last numbers are greyed")
        await expect(tab.page.locator(".attention header")).to_contain_text("as of ")

        with serving(*arguments):

            async def back() -> bool:
                return await tab.pill() in {"Live again", "Live"}

            await until(back, "the page is live again")

            async def anew() -> bool:
                return await tab.total("open") == "0 opened in all"

            await until(anew, "the page counts with the new server")
            assert await tab.page.locator("main.stale").count() == 0
            assert "counting began at 0" in await tab.text(".banner")
        await tab.page.close()


async def test_page_opened_before_its_server_connects_when_the_server_starts(
    open_tab: Open, reserve_port: Callable[[], int]
) -> None:
    """Dashboard page that is opened before its server runs shows "Connecting", becomes live when
    the server starts, and then says why its tables are empty.
    """
    port = reserve_port()
    async with panel_serve(f"ws://127.0.0.1:{port}") as url:
        tab = await open_tab(url)
        await tab.page.wait_for_selector(".pill")

        async def connecting() -> bool:
            return await tab.pill() == "Connecting" and "nothing listens there" in (
                await tab.text(".banner")
            )

        await until(connecting, "the page says what it waits for")
        with serving("serve", "--port=0", f"--admin-port={port}"):
            await tab.live()
            assert await tab.total("open") == "0 opened in all"
            await expect(tab.page.get_by_role("link", name="Socket.IO")).to_be_hidden()
            await tab.go("Connections")
            await expect(tab.page.locator(".nothing")).to_contain_text("Nothing has connected yet")
            await tab.page.goto(f"{url}?page=socketio")
            await expect(tab.page.locator(".nothing")).to_contain_text("No Socket.IO server")
            await expect(tab.page.get_by_role("group", name="Save all rows")).to_be_hidden()
            await tab.page.close()


@pytest.mark.matrix
async def test_dashboard_starts_and_ends_a_demo_when_no_server_is_given(open_tab: Open) -> None:
    """Dashboard without RTMON_URL starts a demo server with traffic, and the demo ends with the
    dashboard.
    """
    async with panel_serve(None) as url:
        tab = await open_tab(url)
        await tab.page.wait_for_selector(".pill")

        async def busy() -> bool:
            words = (await tab.total("messages_out")).split()
            return words[0] not in {"–", "0"} and await tab.points() > 1

        await until(busy, "the demo's users talk")
        demo = [pid for pid in map(str, processes()) if "demo" in command(pid)]
        assert demo
        await tab.page.close()

    async def gone() -> bool:
        return not any("demo" in command(pid) for pid in demo)

    await until(gone, "the demo has ended")


def processes() -> list[int]:
    """Return the process ids of this process's descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, edge = set[int](), {os.getpid()}
    while edge := {pid for pid, parent in parents.items() if parent in edge}:
        found |= edge
    return sorted(found)


def command(pid: str) -> str:
    """Return the command line of a process; empty if there is no such process."""
    try:
        return Path("/proc", pid, "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
