"""Looking closer in a real browser: who closed and why, one of many, the last minute again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon.lab.load import Load, LoadOptions

from .conftest import STEADY, Open, exact, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
TILE_EDGES = "tiles => tiles.map(tile => tile.getBoundingClientRect()).map(r => [r.left, r.right])"
"""Left and right of every tile, measured at once: each tick replaces the tiles."""

HOSTILE = "<img src=x onerror=document.title='owned'>=1+1"


async def test_close_codes_and_events(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """A connection that ends is named by its code in the bars, the log and the closed table."""
    tab = await open_tab(page)
    await tab.live()
    async with connect(server["url"]) as connection:
        await connection.recv()
        await connection.close(1001, "lunch")

    async def told() -> bool:
        bars = await tab.text("dl")
        log = ["·".join(row) for row in await tab.rows("Events")]
        return "going away" in bars and any("1001 · closed by the peer: lunch" in x for x in log)

    await until(told, "the close is told")
    await tab.choose("Closed")

    async def closed() -> bool:
        return "1001 going away" in {row[-1] for row in await tab.rows()}

    await until(closed, "the table of closed connections has it")


async def test_hostile_texts_are_texts(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """Names from users are never markup, in no place of the page."""
    tab = await open_tab(page)
    await tab.live()
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
    await tab.live()
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
    await tab.live()
    other = await open_tab(page)
    await other.live()
    await tab.choose("Pause")

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
        await tab.choose("Resume")

        async def caught_up() -> bool:
            same = await tab.total("messages_in") == await other.total("messages_in")
            return same and await tab.points() == await other.points()

        await until(caught_up, "the page has caught up")


async def test_phone(page: str, server: dict[str, Any], open_tab: Open) -> None:
    """On a phone everything has its place: nothing is wider than the screen."""
    tab = await open_tab(page, width=390, height=844)
    await tab.live()
    async with Load(server["url"], LoadOptions(users=3, rate=5.0, **STEADY)):

        async def filled() -> bool:
            return len(await tab.rows()) >= 3

        await until(filled, "the table is filled")
        assert await tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
        edges = await tab.page.locator(".tile").evaluate_all(TILE_EDGES)
        assert len(edges) == 7
        assert all(0 <= left < right <= 390 for left, right in edges)
