"""Accessibility of every dashboard page, checked by axe-core in Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from rtmon.lab.load import Load, LoadOptions
from tests.dashboard.viewer import BEGIN, record
from tests.peers.packages import install

from .conftest import STEADY, Open, Tab, panel_serve, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTHS = (1440, 390)
"""Page widths in pixels: a desktop, and a phone, where table rows are shown as cards."""

RUN = """async () => {
  // It would fetch style sheets of other hosts.
  const {violations} = await axe.run({preload: false, rules: {"target-size": {enabled: true}}})
  return violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .flatMap(({id, nodes}) => nodes.map(({html, failureSummary: why}) => `${id}: ${html} ${why}`))
}"""
"""JavaScript that returns axe-core's serious and critical findings: rule, element, explanation."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def live(page: str, server: dict[str, Any]) -> AsyncIterator[str]:
    """Start a dashboard of a chat server with 13 users, of which one has disconnected."""
    async with (
        Load(server["url"], LoadOptions(users=1, rate=2, **STEADY)) as gone,
        Load(server["url"], LoadOptions(users=12, mix={"chat": 1, "room": 1}, **STEADY)),
    ):
        await gone.close()
        yield page


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Start a dashboard that shows a recording, and yield its address."""
    path: Path = tmp_path_factory.mktemp("recording") / "run.rtmon"
    await record(path)
    with serving("dashboard", str(path), "--port=0", "--no-browser") as (_, facts):
        yield facts["url"]


async def _drawn(tab: Tab) -> None:
    async def points() -> bool:
        return await tab.points() > 2

    await until(points, "the charts have points")


async def _rows(tab: Tab) -> None:
    await tab.page.wait_for_selector(".rows tbody td:not(:empty)")


async def _one_of_the_table(tab: Tab) -> None:
    await tab.page.locator(".rows tbody td a").first.click()
    await expect(tab.page.locator(".subject h1")).not_to_be_empty()
    await _drawn(tab)


async def _black_box(tab: Tab) -> None:
    await tab.page.locator("td.fold button").first.click()
    await tab.page.wait_for_selector(".box b")


async def _keys(tab: Tab) -> None:
    await tab.page.keyboard.press("?")
    await expect(tab.page.locator("dialog")).to_be_visible()


async def _menu(tab: Tab) -> None:
    await tab.page.locator(".menu summary").click()
    await expect(tab.page.locator(".menu li").first).to_be_visible()


async def _paused(tab: Tab) -> None:
    await tab.page.keyboard.press("p")
    await expect(tab.page.locator(".banner")).to_contain_text("Paused")


Ready = Callable[[Tab], Awaitable[None]]

LIVE: dict[str, tuple[str, Ready]] = {
    "overview": ("", _drawn),
    "paused overview": ("", _paused),
    "one chart": ("?page=chart&chart=messages", _drawn),
    "connections": ("?page=connections&state=all", _rows),
    "menu of columns": ("?page=connections", _menu),
    "search with a mistake": (
        "?page=connections&where=rtt>",
        lambda tab: expect(tab.page.get_by_role("alert")).to_be_visible(),
    ),
    "groups": ("?page=connections&by=address", _rows),
    "one connection": ("?page=connections", _one_of_the_table),
    "channels": ("?page=channels", _rows),
    "one channel": ("?page=channels", _one_of_the_table),
    "latency": ("?page=latency", _rows),
    "events": ("?page=events", _rows),
    "list of keys": ("", _keys),
}
"""Page name → URL parameters, and the function that brings the page into the tested state."""

RECORDED: dict[str, tuple[str, Ready]] = {
    "overview": ("", _drawn),
    "connections of a moment": (f"?page=connections&at={BEGIN + 100:.0f}", _rows),
    "black box of an event": ("?page=events&kind=error", _black_box),
}


async def _check(tab: Tab, ready: Ready) -> None:
    await tab.page.wait_for_selector(".pill:not(.connecting)")
    await ready(tab)
    await tab.page.add_script_tag(path=install() / "axe-core" / "axe.min.js")
    for width in WIDTHS:
        await tab.page.set_viewport_size({"width": width, "height": 900})
        assert await tab.page.evaluate(RUN) == [], f"at {width} pixels"


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(
    "name",
    [
        name if name == "connections" else pytest.param(name, marks=pytest.mark.matrix)
        for name in LIVE
    ],
)
async def test_axe_finds_nothing_serious_on_a_live_page(
    live: str, open_tab: Open, name: str, scheme: str
) -> None:
    """axe-core finds no serious or critical fault on a dashboard page of a running server, in dark
    and light theme, at desktop and phone width.
    """
    path, ready = LIVE[name]
    await _check(await open_tab(f"{live}{path}", scheme=scheme), ready)


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("name", RECORDED)
async def test_axe_finds_nothing_serious_on_the_page_of_a_recording(
    recorded: str, open_tab: Open, name: str, scheme: str
) -> None:
    """axe-core finds no serious or critical fault on dashboard pages that show a recording."""
    path, ready = RECORDED[name]
    await _check(await open_tab(f"{recorded}{path}", scheme=scheme), ready)


@pytest.mark.matrix
async def test_axe_finds_nothing_serious_while_the_server_is_away(open_tab: Open) -> None:
    """axe-core finds no serious or critical fault on the greyed dashboard page of a killed
    server.
    """
    with serving("serve", "--port=0", "--admin-port=0", "--ping-interval=0.5") as (child, facts):
        async with panel_serve(facts["admin"]) as url:
            tab = await open_tab(url, scheme="light")
            await tab.live()
            await _drawn(tab)
            child.process.kill()
            await tab.page.wait_for_selector("main.stale")
            await _check(tab, _drawn)
            await tab.page.close()


async def test_focus_stays_on_a_table_link_when_the_table_changes(
    live: str, open_tab: Open
) -> None:
    """Keyboard focus stays on a column's link when the user sorts the table by this column, and on
    a group's link when the numbers of the group change.
    """
    tab = await open_tab(f"{live}?page=connections")
    header = tab.page.get_by_role("link", name="Msgs in")
    await header.focus()
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("th[aria-sort]:has-text('Msgs in')")
    await expect(header).to_be_focused()
    await tab.page.goto(f"{live}?page=connections&by=address")
    group, sent = tab.page.locator(".rows tbody a"), tab.page.locator(".rows tbody td").nth(4)
    await group.focus()
    await expect(sent).not_to_have_text(await sent.inner_text())
    await expect(group).to_be_focused()


async def test_chart_gives_screen_readers_its_values_as_text(live: str, open_tab: Open) -> None:
    """A chart's label for screen readers gives the last, lowest and highest values as text, and the
    page announces the time of a chart point when the user presses an arrow key.
    """
    tab = await open_tab(live)
    await _drawn(tab)
    chart = tab.page.locator('[data-chart="messages"]')
    words = re.compile(r"^Messages, as a chart over time\. in .+/s, from .+ to .+; out .+/s")
    await expect(chart.get_by_role("img")).to_have_attribute("aria-label", words)
    await chart.get_by_role("img").focus()
    await tab.page.keyboard.press("ArrowLeft")
    await expect(chart.locator("header[aria-live=polite] time")).to_have_text(
        re.compile(r"\d:\d\d")
    )
