"""The dashboard page of a recording in Chromium: time bar, tables at a moment, saved files."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.dashboard.viewer import BEGIN, record

from .conftest import Open, Tab, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Start a dashboard that shows a recording, and yield its address."""
    path: Path = tmp_path_factory.mktemp("recording") / "run.rtmon"
    await record(path)
    with serving("dashboard", str(path), "--port=0", "--no-browser") as (_, facts):
        yield facts["url"]


async def at(tab: Tab, seconds: float | None) -> None:
    """Wait until the page's URL names this moment, in seconds after the recording's begin.

    None: wait until the URL names no moment, which means the end of the recording.
    """

    async def there() -> bool:
        found = re.search(r"[?&]at=([0-9.]+)", tab.page.url)
        return (
            (found is None)
            if seconds is None
            else found is not None and (float(found[1]) == BEGIN + seconds)
        )

    await until(there, f"the address names {seconds}")


async def test_recording_page_opens_a_moment_and_moves_by_keys_and_buttons(
    recorded: str, open_tab: Open
) -> None:
    """Page of a recording opens at the moment that its URL gives, and keys and buttons take the
    page to earlier and later moments.
    """
    tab = await open_tab(f"{recorded}?page=connections&at={BEGIN + 100:.0f}")
    page = tab.page
    await expect(page.locator('table[aria-label="Connections"] tbody tr')).to_have_count(2)
    assert await tab.pill() == "Recording"
    await page.keyboard.press(",")
    await at(tab, 99)
    await page.keyboard.press("Shift+,")
    await at(tab, 39)
    await expect(page.locator('table[aria-label="Connections"] tbody tr')).to_have_count(1)
    await page.get_by_role("button", name="The event after").click()
    await at(tab, 133)
    await page.locator(".rail a", has_text="Events").click()
    await at(tab, 133)
    await expect(page.locator('table[aria-label="Events"] tbody tr').first).to_contain_text("=bob")
    await page.locator(".speeds button", has_text="60×").click()
    await page.keyboard.press("p")
    await at(tab, None)
    await expect(page.locator(".play")).to_have_text("Play")
    await expect(page.locator(".end")).to_be_disabled()
    assert await tab.pill() == "Recording"


async def test_saved_files_have_the_rows_and_points_of_the_shown_moment(
    recorded: str, open_tab: Open
) -> None:
    """CSV and JSON files saved from the dashboard page of a recording have the rows and chart
    points up to the shown moment, with the columns and order that the page shows.
    """
    tab = await open_tab(
        f"{recorded}?page=connections&columns=opened,name&sort=name&at={BEGIN + 100:.0f}"
    )
    page = tab.page
    await expect(page.locator('table[aria-label="Connections"] tbody tr')).to_have_count(2)
    name, text = await tab.download(page.get_by_role("button", name="Save all rows as CSV"))
    assert name == "rtmon-n-connections-20231114T221500Z.csv"
    assert text.split("\r\n") == [
        "opened,name",
        "2023-11-14T22:14:26.000000+00:00,'=bob",
        "2023-11-14T22:13:20.000000+00:00,ada",
        "",
    ]
    await page.goto(f"{recorded}?page=chart&chart=messages&at={BEGIN + 100:.0f}")
    await expect(page.locator(".replay")).to_be_visible()
    _, text = await tab.download(page.get_by_role("button", name="Save the charts' points as JSON"))
    found = json.loads(text)
    assert found["time"] == [BEGIN + second for second in range(1, 101)]
    assert set(found["points"]["messages_in"]) == {1}


async def test_latency_page_of_a_recording_counts_values_up_to_the_shown_moment(
    recorded: str, open_tab: Open
) -> None:
    """Latency page of a recording describes its heat map as text with the values measured up to the
    shown moment.
    """
    tab = await open_tab(f"{recorded}?page=latency&at={BEGIN + 100:.0f}", width=390, height=844)
    heat = tab.page.locator('[data-heat="rtt"]')
    await expect(heat.locator(".told")).to_contain_text(
        "100 times · most often 0.896–1.02 ms · slowest 98.3–115 ms"
    )
    await heat.locator(".plot").focus()
    await tab.page.keyboard.press("ArrowLeft")
    await expect(heat.locator(".told")).to_contain_text("98.3–115 ms · 2 of 2")
    await tab.page.keyboard.press(",")
    await tab.page.keyboard.press("Shift+,")
    await expect(heat.locator(".told")).to_contain_text("39 times")
    assert await tab.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.matrix
async def test_chart_has_a_band_of_extremes_when_a_point_covers_ten_seconds(
    tmp_path: Path, open_tab: Open
) -> None:
    """Chart over one hour shows, around its line, a band from the lowest to the highest value
    within each point; a chart over five minutes shows no band.
    """
    path = tmp_path / "long.rtmon"
    # This length puts the begin and end of the second connection inside chart points.
    await record(path, ticks=905)
    with serving("dashboard", str(path), "--port=0", "--no-browser") as (_, facts):
        tab = await open_tab(f"{facts['url']}?page=chart&chart=open&range=3600")
        plot = tab.page.locator('[data-chart="open"] .plot')
        await expect(plot.locator("path.band")).to_have_count(1)
        await expect(plot).to_have_attribute("aria-label", re.compile("from 1 to 2"))
        await tab.page.get_by_role("link", name="5 min").click()
        await expect(plot.locator("path.band")).to_have_count(0)
        await tab.page.close()


async def test_chart_line_is_interrupted_at_a_server_restart(
    tmp_path: Path, open_tab: Open
) -> None:
    """Chart line of a recording is interrupted at a server restart, and a mark at the chart links
    to the moment of the restart.
    """
    path = tmp_path / "restarted.rtmon"
    await record(path, ticks=30)
    await record(path, ticks=30, begin=BEGIN + 60)
    with serving("dashboard", str(path), "--port=0", "--no-browser") as (_, facts):
        tab = await open_tab(f"{facts['url']}?page=chart&chart=open")
        line = tab.page.locator('[data-chart="open"] .plot path[fill="none"]')
        await expect(tab.page.locator("rect.gap")).to_have_count(1)
        await expect(line).to_have_attribute("d", re.compile("^M[^M]+M[^M]+$"))
        await tab.page.locator(".marks a.restart").click()
        await at(tab, 30)
        await tab.go("Connections")
        await expect(tab.page.locator('table[aria-label="Connections"] tbody tr')).to_have_count(1)
        await tab.page.close()
