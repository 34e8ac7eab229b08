"""Tables, links and time ranges of the dashboard in Chromium."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from rtmon.lab.load import Load, LoadOptions

from .conftest import STEADY, Open, exact, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
TILE_EDGES = "tiles => tiles.map(tile => tile.getBoundingClientRect()).map(r => [r.left, r.right])"
"""JavaScript: left and right edge of all tiles in one call, because each tick replaces the
tiles.
"""

HOSTILE = "<img src=x onerror=document.title='owned'>=1+1"


async def test_closed_connection_shows_its_close_code_in_table_and_event_log(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Closed connection appears with its close code and cause in the table of closed connections
    and in the events table.
    """
    tab = await open_tab(f"{page}?page=connections&state=closed&columns=name,close_code,cause")
    await tab.live()
    groups = tab.page.get_by_role("group", name="Group by")
    assert await groups.get_by_role("link").all_text_contents() == [
        *("Rows", "By path", "user", "address", "transport", "cause")
    ]
    async with connect(server["url"]) as connection:
        await connection.recv()
        await connection.close(1001, "lunch")

    async def closed() -> bool:
        return any(row[1:3] == ["1001 going away", "closed"] for row in await tab.rows())

    await until(closed, "the table of closed connections has it")
    await tab.go("Events")

    async def told() -> bool:
        log = ["·".join(row) for row in await tab.rows("Events")]
        return any("1001" in line and "closed by the client: lunch" in line for line in log)

    await until(told, "the close is told")


async def test_dashboard_shows_hostile_texts_as_text_on_every_page(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Dashboard shows markup in names, rooms and close reasons as plain text on every page."""
    tab = await open_tab(f"{page}?page=connections")
    await tab.live()
    async with connect(server["url"]) as connection:
        await connection.recv()
        join = {"type": "connect", "payload": {"name": HOSTILE}}
        await connection.send(json.dumps(join))
        room = {"type": "join_room", "payload": {"room": HOSTILE}}
        await connection.send(json.dumps(room))

        async def shown(text: str, heading: str, place: int = 0) -> None:
            async def there() -> bool:
                return any(text in row[place] for row in await tab.rows(heading))

            await until(there, f"{text!r} stands in the table of {heading}")

        await shown(HOSTILE, "Connections")
        await tab.page.get_by_role("link", name=HOSTILE).first.click()
        await tab.page.get_by_role("heading", name=HOSTILE).wait_for()
        await tab.go("Channels")
        await shown(f"room:{HOSTILE}", "Channels and rooms")
        await connection.close(1000, HOSTILE)
    await tab.go("Events")
    await shown(HOSTILE, "Events", 5)
    await tab.page.get_by_role("searchbox").fill(f'{HOSTILE} "')
    await tab.page.get_by_role("alert").wait_for()
    assert await tab.page.locator("main img, .bar img, .rail img").count() == 0
    assert await tab.page.title() != "owned"


async def test_connections_table_pages_sorts_searches_and_goes_back(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Connections table shows 23 rows page by page, sorts by a column with the Enter key, filters
    by a query, and returns to the previous state with the browser's back button.
    """
    columns = "columns=name,remote,messages_in"
    tab = await open_tab(f"{page}?page=connections&size=10&{columns}")
    await tab.live()
    async with Load(server["url"], LoadOptions(users=23, rate=0.3, **STEADY)) as load:
        place = tab.page.locator(".foot span").nth(1)

        async def everyone() -> bool:
            return "of 23" in await place.inner_text()

        await until(everyone, "all 23 are there")
        await load.quiet()
        assert len(await tab.rows()) == 10
        await tab.page.get_by_role("button", name="Next").click()
        await expect(place).to_have_text("11–20 of 23")
        await tab.page.get_by_role("button", name="Next").click()
        await expect(place).to_have_text("21–23 of 23")
        header = tab.page.get_by_role("link", name="Msgs in")
        await header.focus()
        await tab.page.keyboard.press("Enter")
        most = max(user.messages_out for user in load.report().connections)

        async def sorted_() -> bool:
            rows = await tab.rows()
            return len(rows) == 10 and rows[0][2] == exact(most)

        await until(sorted_, "the most talkative stands first")
        assert await tab.page.locator('th[aria-sort="descending"]').inner_text() == "Msgs in"
        await tab.page.keyboard.press("/")
        one = load.report().connections[0].local
        await tab.page.keyboard.type(f'remote:"{one}"')

        async def found() -> bool:
            return [row[1] for row in await tab.rows()] == [one]

        await until(found, "only that one is left")
        await tab.page.go_back()
        await expect(place).to_have_text("21–23 of 23")


async def test_copied_link_opens_the_same_view(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Copied link of a dashboard page opens the same page, query, order and time range in another
    browser.
    """
    tab = await open_tab(page)
    await tab.live()
    await tab.page.get_by_role("link", name="1 h").click()
    await tab.go("Connections")
    await tab.page.get_by_role("link", name="All", exact=True).click()
    await tab.page.get_by_role("link", name="Bytes out").click()
    await tab.page.get_by_role("searchbox").fill("path:/")
    await tab.page.wait_for_url("**where=*")
    other = await open_tab(tab.page.url)
    await other.live()
    assert await other.page.get_by_role("searchbox").input_value() == "path:/"
    sorted_by = other.page.locator('th[aria-sort="descending"]')
    await expect(sorted_by).to_have_text("Bytes out")
    # The page's title may begin with the number of alerts.
    assert "Connections: path:/ · " in await other.page.title()
    every = other.page.get_by_role("link", name="All", exact=True)
    await expect(every).to_have_attribute("aria-current", "true")
    await other.go("Latency")
    hour = other.page.get_by_role("link", name="1 h", exact=True)
    await expect(hour).to_have_attribute("aria-current", "true")


async def test_paused_page_shows_all_points_of_the_pause_when_resumed(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Paused dashboard page does not change and says so, and has every chart point of the pause
    when the user resumes it.
    """
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


async def test_saved_file_of_a_paused_table_has_the_shown_columns_and_rows(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """CSV file saved from a paused connections table has the chosen columns and the values shown,
    not newer ones.
    """
    tab = await open_tab(f"{page}?page=connections&columns=remote,messages_in")
    await tab.live()
    async with connect(server["url"]) as connection:
        await connection.recv()
        await tab.page.locator("summary", has_text="Columns").click()
        for title in ("RTT p99", "Via"):
            await tab.page.get_by_role("checkbox", name=title, exact=True).check()
        await tab.page.keyboard.press("Escape")
        titles = tab.page.locator("th[scope=col] a")
        await expect(titles).to_have_text(["Address", "Msgs in", "RTT p99", "Via"])
        await expect(tab.page.locator("tbody tr")).to_have_count(1)
        await tab.choose("Pause")
        await expect(tab.page.locator(".banner")).to_contain_text("Paused")
        shown = (await tab.rows())[0]
        await connection.send(json.dumps({"type": "ping", "payload": {}}))
        await connection.recv()
        name, text = await tab.download(tab.page.get_by_role("button", name="Save all rows as CSV"))
    assert "-connections-shown-" in name
    head, line = text.splitlines()
    assert head == "remote,messages_in,rtt_p99,transport"
    assert line.split(",")[:2] == shown[:2]


async def test_time_range_can_be_chosen_on_a_chart_by_keyboard(page: str, open_tab: Open) -> None:
    """User selects a time range on a chart with Shift and arrow keys, limits the page to this range
    with Enter, and returns to the earlier range with Escape.
    """
    tab = await open_tab(f"{page}?range=3600")
    await tab.live()
    await tab.page.locator('[data-chart="messages"] .plot').focus()
    for _ in range(6):
        await tab.page.keyboard.press("Shift+ArrowLeft")
    await expect(tab.page.locator('[data-chart="messages"] .range')).to_have_count(1)
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_url("**from=*")
    await expect(tab.page.locator("a.chosen")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("a.chosen")).to_be_hidden()
    assert "range=3600" in tab.page.url
    await tab.page.go_back()
    await expect(tab.page.locator("a.chosen")).to_be_visible()
    await tab.page.keyboard.press("l")
    await expect(tab.page.locator("a.chosen")).to_be_hidden()


@pytest.mark.matrix
async def test_time_range_can_be_chosen_on_a_chart_by_a_horizontal_swipe(
    page: str, chromium: Browser, open_tab: Open
) -> None:
    """Horizontal swipe across a chart on a phone chooses a time range, and a vertical swipe scrolls
    the page.
    """
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    tab = await open_tab(f"{page}?range=3600", context=context)
    await tab.live()
    plot = tab.page.locator('[data-chart="open"] .plot')
    await plot.scroll_into_view_if_needed()
    fingers = await context.new_cdp_session(tab.page)

    async def swipe(across: int, down: int) -> None:
        box = await plot.bounding_box()
        assert box is not None
        x, y = box["x"] + 120, box["y"] + 60
        for step in range(11):
            kind = "touchMove" if step else "touchStart"
            point = {"x": x + across * step / 10, "y": y + down * step / 10}
            await fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        await fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    before = await tab.page.evaluate("scrollY")
    await swipe(20, -150)
    await tab.page.wait_for_function("before => scrollY > before", arg=before)
    await expect(tab.page.locator("a.chosen")).to_be_hidden()
    await plot.scroll_into_view_if_needed()
    await swipe(150, 0)
    await tab.page.wait_for_url("**from=*")
    await expect(tab.page.locator("a.chosen")).to_be_visible()
    await context.close()


async def test_url_accepts_a_time_range_in_iso_8601(page: str, open_tab: Open) -> None:
    """Dashboard page shows the same time range when its URL gives the range in ISO 8601 or in Unix
    seconds.
    """
    tab = await open_tab(f"{page}?from=2023-11-14T22:13:20Z&to=2023-11-15T00:18:20+02:00")
    await tab.live()
    chosen = tab.page.locator("a.chosen")
    await expect(chosen).to_be_visible()
    shown = await chosen.inner_text()
    await tab.page.goto(f"{page}?from=1700000000&to=1700000300")
    await tab.live()
    await expect(chosen).to_have_text(shown)


@pytest.mark.matrix
async def test_attention_line_reports_refused_handshakes_when_one_is_refused(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Line at the top of the dashboard that lists problems reports the rate of refused handshakes
    when a single handshake was refused.
    """
    tab = await open_tab(page)
    await tab.live()
    with pytest.raises(InvalidStatus):
        await connect(server["url"], origin=Origin("http://elsewhere.example"))
    await tab.page.locator('.tile.warning[data-tile="open"]').wait_for()
    head = tab.page.locator(".attention header")
    # A slow machine may meet an attention rule as well.
    if "Needs attention" not in await head.inner_text():
        await expect(head).to_contain_text("Worth a look")
        await expect(head).to_contain_text("refused/min")


@pytest.mark.matrix
async def test_mark_on_a_chart_opens_the_events_around_its_time(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """Click on an event mark in a chart opens the events page with events from the time of the mark
    only, and a link on that page removes this filter.
    """
    tab = await open_tab(page)
    await tab.live()
    with pytest.raises(InvalidStatus):
        await connect(server["url"], origin=Origin("http://elsewhere.example"))
    mark = tab.page.locator('[data-chart="messages"] .mark circle').last
    await mark.wait_for()
    await mark.click(force=True)
    await tab.page.wait_for_url("**since=*")
    await expect(tab.page.locator("tbody")).to_contain_text("rejected")
    only = tab.page.locator(".filters a.held")
    await expect(only).to_contain_text("Only ")
    await only.click()
    await expect(only).to_have_count(0)
    assert "since=" not in tab.page.url


async def test_no_page_is_wider_than_a_phone_screen(
    page: str, server: dict[str, Any], open_tab: Open
) -> None:
    """No dashboard page and no tile is wider than a phone's screen of 390 pixels."""
    tab = await open_tab(page, width=390, height=844)
    await tab.live()
    async with Load(server["url"], LoadOptions(users=3, rate=5.0, **STEADY)):

        async def filled() -> bool:
            return (await tab.text('[data-tile="open"] .value')).startswith("3")

        await until(filled, "the users are there")
        assert await tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
        edges = await tab.page.locator(".tile").evaluate_all(TILE_EDGES)
        assert len(edges) == 7
        assert all(0 <= left < right <= 390 for left, right in edges)
        for name in ("Connections", "Channels", "Latency", "Events"):
            await tab.go(name)
            await tab.page.wait_for_selector(".page")
            assert await tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390, name
        window = tab.page.get_by_role("group", name="Time shown on the charts")
        await expect(window).to_be_hidden()  # the events page has no time range
        copy = tab.page.get_by_role("button", name="Copy link")
        await tab.go("Latency")
        await expect(window).to_be_visible()
        tops = [
            await each.evaluate("e => e.offsetTop") for each in (tab.page.locator(".pill"), copy)
        ]
        assert abs(tops[0] - tops[1]) < 10  # both are in one row
        await tab.go("Connections")
        await tab.page.locator("thead").get_by_role("link", name="Waiting").click()
        await tab.page.wait_for_url("**sort=-send_queue")
