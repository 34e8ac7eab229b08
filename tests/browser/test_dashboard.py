"""The dashboard in a real browser, of a real server in another process, with real users."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect
from websockets.asyncio.client import connect

import rtmon
from rtmon.lab.load import Load, LoadOptions

from .conftest import Open, Tab, panel_serve, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=document.title='owned'>=1+1"
STEADY = {"ramp": 0.0, "churn": 0.0}


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """The addresses of a chat server in a process of its own."""
    with serving("serve", "--port=0", "--admin-port=0", "--ping-interval=0.5") as (_, facts):
        yield facts


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(server: dict[str, Any]) -> AsyncIterator[str]:
    """The address of the dashboard of that server, in a third process."""
    async with panel_serve(server["admin"]) as url:
        yield url


async def live(tab: Tab) -> None:
    """Wait until a page shows numbers."""

    async def shown() -> bool:
        await tab.page.wait_for_selector(".pill")
        return await tab.pill() in {"Live", "Live again"} and "–" not in await tab.total("open")

    await until(shown, "the page is live")


async def choose(tab: Tab, label: str) -> None:
    """Press one of the buttons that choose which connections are shown."""
    await tab.page.get_by_role("button", name=label, exact=True).click()


def exact(number: int) -> str:
    """A number as the page writes it."""
    return f"{number:,}"


async def test_empty(page: str, open_tab: Open) -> None:
    """A server to which nobody has come yet says how to connect, and shows no table that only
    other servers fill.
    """
    tab = await open_tab(page)
    await live(tab)
    assert await tab.page.locator('table[aria-label="Connections"]').count() == 1
    await expect(tab.page.get_by_role("heading", name="Events")).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Socket.IO")).to_be_hidden()
    assert "python -m websockets ws://HOST:PORT" in await tab.text(".nothing")
    assert await tab.total("open") == "0 opened in all"


async def test_numbers_are_what_the_users_counted(
    page: str, server: dict[str, Any], open_tab: Open, tmp_path: Path
) -> None:
    """Tiles, table and CSV say exactly what the users counted: messages and bytes, both ways."""
    tab = await open_tab(page)
    await live(tab)
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
            "messages_in": f"{exact(report.totals.messages_out)} messages in all",
            "messages_out": f"{exact(report.totals.messages_in)} messages in all",
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
                exact(user.bytes_out),
                exact(user.bytes_in),
            )
            for user in report.connections
        }

        async def same_rows() -> bool:
            return {(row[0], row[2], *row[4:8]) for row in await tab.rows()} == expected

        await until(same_rows, f"the table says {expected}")

        _, text = await tab.download(tab.page.locator(".tools .csv"))
        samples = tmp_path / "samples.csv"
        samples.write_bytes(text.encode())
        sums = rtmon.read_csv(samples)
        assert int(sums.messages_in.sum()) == report.totals.messages_out
        assert int(sums.messages_out.sum()) == report.totals.messages_in
        assert int(sums.bytes_in.sum()) == report.totals.bytes_out
        assert int(sums.bytes_out.sum()) == report.totals.bytes_in

        name, text = await tab.download(tab.page.locator(".tool.csv").first)
        assert name.startswith("connections-")
        connections = tmp_path / name
        connections.write_bytes(text.encode())
        table = rtmon.read_csv(connections).set_index("remote")
        for user in report.connections:
            row = table.loc[user.local]
            counted = (row.messages_in, row.messages_out, row.bytes_in, row.bytes_out)
            assert counted == (
                user.messages_out,
                user.messages_in,
                user.bytes_out,
                user.bytes_in,
            )


async def test_close_codes_and_events(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """A connection that ends is named by its code in the bars, the log and the closed table."""
    tab = await open_tab(page)
    await live(tab)
    async with connect(server["url"]) as connection:
        await connection.recv()
        await connection.close(1001, "lunch")

    async def told() -> bool:
        bars = await tab.text("dl")
        log = ["·".join(row) for row in await tab.rows("Events")]
        return "going away" in bars and any("1001 · closed by the peer: lunch" in x for x in log)

    await until(told, "the close is told")
    await choose(tab, "Closed")

    async def closed() -> bool:
        return "1001 going away" in {row[-1] for row in await tab.rows()}

    await until(closed, "the table of closed connections has it")


async def test_hostile_texts_are_texts(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """Names from users are never markup, in no place of the page."""
    tab = await open_tab(page)
    await live(tab)
    async with connect(server["url"]) as connection:
        await connection.recv()
        join = {"type": "connect", "payload": {"name": HOSTILE}}
        await connection.send(json.dumps(join))
        room = {"type": "join_room", "payload": {"room": HOSTILE}}
        await connection.send(json.dumps(room))

        async def named() -> bool:
            channels = {row[0] for row in await tab.rows("Channels")}
            return HOSTILE in {row[0] for row in await tab.rows()} and f"room:{HOSTILE}" in channels

        await until(named, "the name stands in the table, and the room among the channels")
        await connection.close(1000, HOSTILE)

    async def logged() -> bool:
        return any(HOSTILE in row[3] for row in await tab.rows("Events"))

    await until(logged, "the reason stands in the log")
    name, text = await tab.download(tab.page.locator(".tool.csv").last)
    assert name.startswith("events-")
    assert text.startswith("seq,time,kind,")
    assert HOSTILE in text
    assert await tab.page.locator("td img, .tile img, .banner img, .source img").count() == 0
    assert await tab.page.title() == "rtmon"


async def test_sort_filter_and_pages(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """The table sorts by a click or a key, filters, and pages through everyone."""
    tab = await open_tab(page)
    await live(tab)
    async with Load(server["url"], LoadOptions(users=23, rate=0.3, **STEADY)) as load:

        async def everyone() -> bool:
            return "of 23" in await tab.text(".foot span")

        await until(everyone, "all 23 are there")
        await load.quiet()
        assert len(await tab.rows()) == 10
        await tab.page.get_by_role("button", name="Next").click()
        await tab.page.get_by_role("button", name="Next").click()

        async def last() -> bool:
            return await tab.text(".foot span") == "21–23 of 23" and len(await tab.rows()) == 3

        await until(last, "the last page shows three")
        header = tab.page.get_by_role("button", name="Msgs in")
        await header.focus()
        await tab.page.keyboard.press("Enter")
        most = max(user.messages_out for user in load.report().connections)

        async def sorted_() -> bool:
            rows = await tab.rows()
            return len(rows) == 10 and rows[0][4] == exact(most)

        await until(sorted_, "the most talkative stands first")
        assert await tab.page.locator('th[aria-sort="descending"]').inner_text() == "Msgs in"
        one = load.report().connections[0].local
        await tab.page.get_by_label("Filter by name, address or path").fill(one)

        async def filtered() -> bool:
            return [row[2] for row in await tab.rows()] == [one]

        await until(filtered, "only that one is left")


async def test_pause_loses_nothing(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """A paused page stands still and says so; resumed, it has every point of the time between."""
    tab = await open_tab(page)
    await live(tab)
    other = await open_tab(page)
    await live(other)
    await choose(tab, "Pause")

    async def paused() -> bool:
        return await tab.pill() == "Paused"

    await until(paused, "the page says that it is paused")
    assert "Nothing is lost" in await tab.text(".banner")
    held = (await tab.total("messages_in"), await tab.points())
    async with Load(server["url"], LoadOptions(users=2, rate=20.0, **STEADY)) as load:
        before = await other.total("messages_in")

        async def others_move() -> bool:
            return await other.total("messages_in") != before

        await until(others_move, "another page goes on")
        await load.quiet()

        async def several() -> bool:
            return await other.points() >= held[1] + 2

        await until(several, "another page has more points")
        assert (await tab.total("messages_in"), await tab.points()) == held
        await choose(tab, "Resume")

        async def caught_up() -> bool:
            same = await tab.total("messages_in") == await other.total("messages_in")
            return same and await tab.points() == await other.points()

        await until(caught_up, "the page has caught up")


async def test_five_tabs_are_one_feed(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """Five tabs at once are one connection to the server's admin listener."""
    first = await open_tab(page)
    same = first.page.context
    others = await asyncio.gather(*[open_tab(page, context=same) for _ in range(4)])
    for tab in (first, *others):
        await tab.page.bring_to_front()
        await live(tab)
    port = int(server["admin"].rpartition(":")[2])

    async def one() -> bool:
        return established(port) == 1

    await until(one, "there is one connection")


def established(port: int) -> int:
    """TCP connections to a port of this machine, as its server sees them."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        count += state == "01" and int(local.rpartition(":")[2], 16) == port
    return count


async def test_light_and_dark(page: str, open_tab: Open) -> None:
    """The page follows the system at first; what is chosen then is remembered."""
    tab = await open_tab(page, scheme="light")
    await live(tab)

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
    await tab.page.get_by_role("button", name="Change to light colours").click()
    assert await theme() == "light"
    await tab.page.reload()
    await live(tab)
    assert (await theme(), await ground()) == ("light", light)


async def test_phone(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """On a phone everything has its place: nothing is wider than the screen."""
    tab = await open_tab(page, width=390, height=844)
    await live(tab)
    async with Load(server["url"], LoadOptions(users=3, rate=5.0, **STEADY)):

        async def filled() -> bool:
            return len(await tab.rows()) >= 3

        await until(filled, "the table is filled")
        assert await tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
        for tile in await tab.page.locator(".tile").all():
            box = await tile.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390


async def test_address_that_is_none(open_tab: Open) -> None:
    """A wrong RTMON_URL is one clear sentence on the page."""
    async with panel_serve("ftp://nowhere") as url:
        tab = await open_tab(url)
        alert = await tab.page.wait_for_selector('[role="alert"]')
        assert alert is not None
        assert "'ftp://nowhere' is not the address of an admin listener" in (
            await alert.inner_text()
        )
        await tab.page.close()
