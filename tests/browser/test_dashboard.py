"""The dashboard in a real browser, of a real server in another process, with real users.

Only one test's users send to the shared server, since its numbers are compared to the byte.
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


async def test_numbers_equal_the_users_own_counts(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Tiles and table have exactly the users' counts: messages and bytes in both directions."""
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


async def test_all_tabs_share_one_feed(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """All tabs together have one connection to the server's admin listener."""
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
    """A number of bytes as a table shows it."""
    return f"{number:,} B" if number < 10_000 else " ".join(scaled(number, "B"))


def established(port: int) -> int:
    """TCP connections to a port of this machine, seen from the server's side."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        count += state == "01" and int(local.rpartition(":")[2], 16) == port
    return count


async def test_theme_follows_the_system_until_the_user_chooses(page: str, open_tab: Open) -> None:
    """The page follows the system at first; the user's choice is remembered."""
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
async def test_page_explains_a_malformed_address(open_tab: Open) -> None:
    """A malformed RTMON_URL is one sentence on the page."""
    async with panel_serve("ftp://nowhere") as url:
        tab = await open_tab(url)
        alert = await tab.page.wait_for_selector('[role="alert"]')
        assert alert is not None
        assert "'ftp://nowhere' is not the address of an admin listener" in (
            await alert.inner_text()
        )
        await tab.page.close()
