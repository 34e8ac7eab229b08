"""A dashboard view is live again with correct numbers within ten seconds after an outage ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from rtmon.lab.load import Load, LoadOptions
from rtmon.testing import FaultProxy

from .conftest import STEADY, Open, Tab, serving, until
from .test_liveness import VIEW, forgive, shows

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.matrix]

BOUND = 10.0
"""Seconds within which the view must be live again; the aim is five."""

OPTIONS = LoadOptions(users=3, rate=5.0, **STEADY)


async def grey(tab: Tab) -> None:
    """Wait until the page is grey because its numbers are old."""

    async def stale() -> bool:
        return await tab.page.locator("main.stale").count() == 1

    await until(stale, "the numbers are grey")


async def returns(tab: Tab, load: Load, began: float, what: str) -> None:
    """Wait until the view is live and equals the clients' counts; fail after ``BOUND`` seconds."""
    await tab.live()
    await shows(tab, load)
    took = time.monotonic() - began
    print(f"\n{what}: live and equal after {took:.1f} s; load {os.getloadavg()[0]:.1f}")  # noqa: T201
    assert took < BOUND
    forgive(tab)


@pytest.mark.parametrize("seconds", [5, 40, 180])
@pytest.mark.parametrize("link", ["of the page", "of the server"])
async def test_view_is_live_within_ten_seconds_after_a_frozen_link_recovers(
    open_tab: Open, server: dict[str, Any], link: str, seconds: int
) -> None:
    """Dashboard page shows correct numbers within ten seconds after a network link that was frozen
    for up to three minutes carries data again.
    """
    async with FaultProxy(server["admin"]) as behind:
        with serving("dashboard", behind.url, "--port=0", "--no-browser", "--origin=*") as (
            _,
            shown,
        ):
            async with FaultProxy(shown["url"].replace("http", "ws")) as before:
                page = before.url.replace("ws", "http", 1).rstrip("/")
                async with Load(server["url"], OPTIONS) as load:
                    assert await load.quiet()
                    tab = await open_tab(f"{page}/?{VIEW}")
                    await tab.live()
                    await shows(tab, load)
                    frozen = before if link == "of the page" else behind
                    frozen.set(frozen=True)
                    await grey(tab)
                async with Load(server["url"], OPTIONS) as load:
                    assert await load.quiet()
                    await asyncio.sleep(seconds)  # the tested duration of the freeze
                    frozen.calm()
                    began = time.monotonic()
                    await returns(tab, load, began, f"link {link} frozen for {seconds} s")
                await tab.page.close()


@pytest.mark.parametrize("ending", ["server", "server and dashboard"])
async def test_view_is_live_within_ten_seconds_after_killed_processes_restart(
    open_tab: Open, reserve_port: Callable[[], int], ending: str
) -> None:
    """Dashboard page shows the numbers of the restarted server within ten seconds after the server,
    or server and dashboard, were killed by SIGKILL and restarted.
    """
    port, admin, page = (reserve_port() for _ in range(3))
    serves = ("serve", f"--port={port}", f"--admin-port={admin}")
    dashboard = ("dashboard", f"ws://127.0.0.1:{admin}", f"--port={page}", "--no-browser")
    url = f"ws://127.0.0.1:{port}"
    with contextlib.ExitStack() as running:
        children = [running.enter_context(serving(*each))[0] for each in (serves, dashboard)]
        tab = await open_tab(f"http://127.0.0.1:{page}/?{VIEW}")
        async with Load(url, OPTIONS) as load:
            assert await load.quiet()
            await tab.live()
            await shows(tab, load)
        killed = children[:1] if ending == "server" else children
        for child in killed:
            os.kill(child.process.pid, signal.SIGKILL)
            child.process.wait()
        await grey(tab)
        for arguments in (serves, dashboard)[: len(killed)]:
            running.enter_context(serving(*arguments))
        began = time.monotonic()
        async with Load(url, OPTIONS) as load:
            assert await load.quiet()
            await returns(tab, load, began, f"{ending} killed")
        await tab.page.close()


@pytest.mark.parametrize("halted", ["server", "server and dashboard"])
async def test_view_is_live_within_ten_seconds_after_stopped_processes_continue(
    open_tab: Open, reserve_port: Callable[[], int], halted: str
) -> None:
    """Dashboard page shows the same connections within ten seconds after a server, or server and
    dashboard, that were stopped by SIGSTOP continue.
    """
    page = reserve_port()
    with (
        serving("serve", "--port=0", "--admin-port=0") as (child, facts),
        serving("dashboard", facts["admin"], f"--port={page}", "--no-browser") as (other, _),
    ):
        tab = await open_tab(f"http://127.0.0.1:{page}/?{VIEW}")
        async with Load(facts["url"], OPTIONS) as load:
            assert await load.quiet()
            await tab.live()
            await shows(tab, load)
            stopped = [child.process.pid, *([other.process.pid] if halted != "server" else [])]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            await grey(tab)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            await returns(tab, load, time.monotonic(), f"{halted} stopped")
        await tab.page.close()
