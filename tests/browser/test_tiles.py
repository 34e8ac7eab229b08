"""Tiles of the overview in Chromium, at the widths of a notebook's cell output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page

from rtmon.display.compressed_script import asset
from rtmon.views import browser
from rtmon.views.number_tiles import Tile

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTHS = (977, 976, 800, 799, 560)
"""Widths of a cell output in pixels; 977 is that of JupyterLab with its sidebar open on a screen
1,440 pixels wide.
"""

TILE = Tile(key="open", label="Connections", value="12,345", unit="open", total="12,345 in all")
CHANGES = [
    replace(TILE, change=text, sign=sign)
    for text, sign in (("no change", 0), ("from 0", 1), ("× 1,234", 1), ("899 %", 1), ("100 %", -1))
]
ALERTS = [
    replace(TILE, alert="critical", reason=reason)
    for reason in (
        "1,234 refused/min",
        "over 1% failed",
        "under 1% failed",
        "slow: over 100 ms",
    )
]

DRAW = """
const host = document.body.appendChild(document.createElement("div"))
const inside = element("div", {class: "view"})
host.attachShadow({mode: "open"}).append(element("style", {}, SHEET), inside)
for (const row of ROWS) {
  const tiles = new Tiles()
  inside.append(tiles.node)
  tiles.draw(row)
}
return inside
"""
"""JavaScript that draws rows of tiles as a notebook does."""

CUT = """inside => [...inside.querySelectorAll("h3, .value, .foot")]
  .filter(text => text.scrollWidth > text.clientWidth).map(text => text.textContent)"""


async def drawn(page: Page, rows: list[list[Tile]], ask: str) -> object:
    """Draw rows of tiles; return the result of a JavaScript function for them."""
    await page.set_content(f"<style>body {{ margin: 0; --rt-font: {browser.FONT} }}</style>")
    sheet = browser.rules() + asset("view.css").replace("396px", "none")
    constants = browser.constant("SHEET", sheet) + "\n" + browser.constant("ROWS", rows)
    script = f"(() => {{ {constants}\n{browser.script()}\n{DRAW} }})()"
    return await page.evaluate(f"({ask})({script})")


@pytest.mark.parametrize("width", WIDTHS)
async def test_tile_texts_are_not_cut_off_at_any_notebook_width(
    chromium: Browser, width: int
) -> None:
    """Tile texts are not cut off in a notebook cell 560 to 977 pixels wide, with any change or
    alert.
    """
    page = await chromium.new_page(viewport={"width": width, "height": 400})
    assert await drawn(page, [[tile] * 7 for tile in (*CHANGES, *ALERTS)], CUT) == []
    await page.close()


async def test_tile_shows_markup_as_text(chromium: Browser) -> None:
    """Tile shows markup in its label, value, unit, total and reason as plain text."""
    page = await chromium.new_page()
    evil = Tile(key="open", label="<b>", value="<i>", unit="<u>", total="<s>", reason="<q>")
    rows = [[evil, replace(evil, alert="warning")]]
    tags = "inside => [...inside.querySelectorAll('b, i, u, s, q')].length"
    assert await drawn(page, rows, tags) == 0
    assert "<q>" in str(await drawn(page, rows, "inside => inside.textContent"))
    await page.close()
