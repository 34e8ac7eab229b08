"""The dashboard in Chromium, connected to a chat server in another process.

Only one test sends messages to the shared server, because that test compares exact byte counts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtmon.lab.load import Load, LoadOptions
from rtmon.views.number_format import scaled

from .conftest import STEADY, Open, exact, panel_serve, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_tiles_and_table_equal_the_counts_of_the_clients(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Dashboard tiles and the connections table show exactly the numbers of messages and bytes that
    the clients themselves counted, in both directions.
    """
    tab = await open_tab(page)
    await tab.live()
    options = LoadOptions(users=5, rate=12.0, **STEADY)
    async with Load(server["url"], options) as load:

        async def moving() -> bool:
            return "0 messages" not in await tab.total("messages_out")

        await until(moving, "the tiles move")
        seen, points = await tab.total("messages_out"), await tab.points()

        async def moved() -> bool:
            return await tab.total("messages_out") != seen and await tab.points() > points

        await until(moved, "tiles and charts move on")
        assert await load.quiet()
        report = load.report()
        assert report.open == len(report.connections) == 5
        assert report.totals.messages_in > 100

        wanted = {
            "messages_in": f"{exact(report.totals.messages_out)} in all",
            "messages_out": f"{exact(report.totals.messages_in)} in all",
            "bytes_in": f"{exact(report.totals.bytes_out)} B in all",
            "bytes_out": f"{exact(report.totals.bytes_in)} B in all",
        }

        async def equal() -> bool:
            return {key: await tab.total(key) for key in wanted} == wanted

        await until(equal, f"the tiles say {wanted}")

        expected = {
            (
                user.name,
                user.local,
                exact(user.messages_out),
                exact(user.messages_in),
                size(user.bytes_out),
                size(user.bytes_in),
            )
            for user in report.connections
        }

        columns = ("name", "remote", "messages_in", "messages_out", "bytes_in", "bytes_out")
        await tab.page.goto(f"{page}?page=connections&columns={','.join(columns)}")

        async def same_rows() -> bool:
            return {tuple(row[:6]) for row in await tab.rows()} == expected

        await until(same_rows, f"the table says {expected}")


async def test_dashboard_has_one_admin_connection_when_three_tabs_are_open(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Dashboard process has one connection to the server's admin listener when three browser tabs
    show the dashboard.
    """
    first = await open_tab(page)
    same = first.page.context
    others = await asyncio.gather(*[open_tab(page, context=same) for _ in range(2)])
    for tab in (first, *others):
        await tab.page.bring_to_front()
        await tab.live()
    port = int(server["admin"].rpartition(":")[2])

    async def one() -> bool:
        return established(port) == 1

    await until(one, "there is one connection")


def size(number: int) -> str:
    """Format a number of bytes as the connections table does."""
    return f"{number:,} B" if number < 10_000 else " ".join(scaled(number, "B"))


def established(port: int) -> int:
    """Count established TCP connections whose local end is this port."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        count += state == "01" and int(local.rpartition(":")[2], 16) == port
    return count


async def test_page_follows_the_system_theme_until_the_user_chooses(
    page: str, open_tab: Open
) -> None:
    """Dashboard page follows the system's dark or light theme until the user presses the theme
    button; the user's choice survives a reload.
    """
    tab = await open_tab(page, scheme="light")
    await tab.live()

    async def ground() -> str:
        color: str = await tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return color

    def theme() -> Any:
        return tab.page.evaluate("document.documentElement.dataset.theme")

    assert await theme() == "light"
    light = await ground()
    await tab.page.emulate_media(color_scheme="dark")

    async def dark() -> bool:
        return await theme() == "dark" and await ground() != light

    await until(dark, "the page has followed the system")
    await tab.page.get_by_role("button", name="Light or dark").click()
    assert await theme() == "light"
    await tab.page.reload()
    await tab.live()
    assert (await theme(), await ground()) == ("light", light)


@pytest.mark.matrix
async def test_page_shows_an_alert_when_rtmon_url_is_malformed(open_tab: Open) -> None:
    """Dashboard page shows an alert that quotes the value of the environment variable RTMON_URL
    when this value is not the address of an admin listener.
    """
    async with panel_serve("ftp://nowhere") as url:
        tab = await open_tab(url)
        alert = await tab.page.wait_for_selector('[role="alert"]')
        assert alert is not None
        assert "'ftp://nowhere' is not the address of an admin listener" in (
            await alert.inner_text()
        )
        await tab.page.close()
