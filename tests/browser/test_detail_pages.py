"""The pages of one connection, of events and of one channel in Chromium."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import ClientConnection, connect

from .conftest import Open, Tab, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=document.title='owned'>=1+1"


async def _join(connection: ClientConnection, name: str, room: str) -> None:
    await connection.recv()
    for kind, payload in (("connect", {"name": name}), ("join_room", {"room": room})):
        await connection.send(json.dumps({"type": kind, "payload": payload}))


async def _open(tab: Tab, name: str) -> None:
    """Open a connection's page by a click on its name."""
    await tab.page.get_by_role("link", name=name, exact=True).first.click()
    await tab.page.wait_for_selector(".verdict b")


async def test_connection_page_opens_by_one_click_and_shows_close_code_and_reason(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Page of a connection opens by one click on the connection's name, draws charts, and shows
    close code and reason after the connection has closed.
    """
    tab = await open_tab(f"{page}?page=events&kind=opened")
    async with connect(server["url"]) as connection:
        await _join(connection, HOSTILE, "garden")
        await _open(tab, HOSTILE)
        assert await tab.text("h1") == HOSTILE
        assert "Open for" in await tab.text(".verdict")

        async def drawn() -> bool:
            return await tab.page.locator('[data-chart="own_messages"] svg path').count() > 3

        await until(drawn, "the charts of the connection have points")
        await tab.page.get_by_role("link", name="room:garden").click()
        await tab.page.wait_for_selector('table[aria-label="Members"] a')
        assert await tab.text('table[aria-label="Members"] a') == HOSTILE
        saving = tab.page.get_by_role("button", name="Save all rows as JSON")
        name, text = await tab.download(saving)
        assert "-members-shown-" in name
        assert [row["name"] for row in json.loads(text)["rows"]] == [HOSTILE]
        await tab.page.go_back()
        await tab.page.wait_for_selector(".verdict b")
        await connection.close(1001, HOSTILE)

    async def told() -> bool:
        text = await tab.text(".verdict")
        return "Closed by the client" in text and f"1001 going away “{HOSTILE}”" in text

    await until(told, "the end is told")
    async with tab.page.expect_download() as expected:
        await tab.page.get_by_role("button", name="JSON").click()
    record = json.loads((await (await expected.value).path()).read_text())
    assert record["info"]["name"] == HOSTILE
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.page.get_by_role("button", name="Copy incident report").click()

    async def copied() -> bool:
        text: str = await tab.page.evaluate("navigator.clipboard.readText()")
        return "**Closed by the client.**" in text and "\n## " not in text

    await until(copied, "the report is on the clipboard")
    assert await tab.page.evaluate("document.images.length") == 0


async def test_held_events_page_keeps_its_rows_and_counts_new_events(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Events page on which the user pressed Hold keeps its rows and an expanded row, counts new
    events, and shows the new events when the user ends the hold.
    """
    async with connect(server["url"]) as connection:
        await connection.recv()
        await connection.close(1001, "lunch")
    where = quote('reason:"*lunch*"')
    tab = await open_tab(f"{page}?page=events&kind=closed&where={where}", width=390, scheme="light")
    await tab.page.locator("td.fold button").first.click()
    await tab.page.wait_for_selector(".box b")
    assert "Closed by the client" in await tab.text(".box")
    await tab.page.get_by_role("link", name="Hold").click()
    await tab.page.wait_for_selector("a.held")
    async with connect(server["url"]) as connection:
        await connection.recv()
        await connection.close(1001, "lunch again")

    async def counted() -> bool:
        return "1 new" in await tab.text("a.held")

    await until(counted, "the event that came is counted")
    rows = tab.page.locator("tbody tr:not(.below)")
    assert await rows.count() == 1
    assert await tab.page.locator(".box").count() == 1
    assert "until=" in tab.page.url
    await tab.page.locator("a.held").click()

    async def resumed() -> bool:
        return await rows.count() == 2

    await until(resumed, "both events are shown")


async def test_page_shows_an_alert_when_its_connection_or_channel_is_unknown(
    page: str, open_tab: Open
) -> None:
    """Dashboard page of a single connection or channel shows an alert when no connection has the
    id, or no channel has the name, that the URL gives.
    """
    tab = await open_tab(f"{page}?page=connection&id=c999999")
    assert "not known" in await tab.text(".identity [role=alert]")
    await tab.page.goto(f"{page}?page=channel&channel=room%3Anone")
    await tab.page.wait_for_selector(".identity [role=alert]")
    assert "no such channel or room" in await tab.text(".identity [role=alert]")
