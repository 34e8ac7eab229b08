"""Tiles in a real browser, at the width that they have in a notebook."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page

from rtmon.display.compressed_script import asset
from rtmon.views import browser
from rtmon.views.tiles import Tile

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTHS = (977, 976, 800, 799, 560)
"""Pixels of an output: with JupyterLab's side bar open on a screen 1,440 pixels wide, and less."""

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
"""Draws rows of tiles as a notebook does."""

CUT = """inside => [...inside.querySelectorAll("h3, .value, .foot")]
  .filter(text => text.scrollWidth > text.clientWidth).map(text => text.textContent)"""


async def drawn(page: Page, rows: list[list[Tile]], ask: str) -> object:
    """Draw rows of tiles; return a function's result for them."""
    await page.set_content(f"<style>body {{ margin: 0; --rt-font: {browser.FONT} }}</style>")
    sheet = browser.rules() + asset("view.css").replace("396px", "none")
    constants = browser.constant("SHEET", sheet) + "\n" + browser.constant("ROWS", rows)
    script = f"(() => {{ {constants}\n{browser.script()}\n{DRAW} }})()"
    return await page.evaluate(f"({ask})({script})")


@pytest.mark.parametrize("width", WIDTHS)
async def test_tile_texts_are_complete_in_a_notebook(chromium: Browser, width: int) -> None:
    """Tiles fit with each possible change and alert, at any width of the output."""
    page = await chromium.new_page(viewport={"width": width, "height": 400})
    assert await drawn(page, [[tile] * 7 for tile in (*CHANGES, *ALERTS)], CUT) == []
    await page.close()


async def test_tile_texts_are_never_markup(chromium: Browser) -> None:
    """Each text of a tile is shown as text."""
    page = await chromium.new_page()
    evil = Tile(key="open", label="<b>", value="<i>", unit="<u>", total="<s>", reason="<q>")
    rows = [[evil, replace(evil, alert="warning")]]
    tags = "inside => [...inside.querySelectorAll('b, i, u, s, q')].length"
    assert await drawn(page, rows, tags) == 0
    assert "<q>" in str(await drawn(page, rows, "inside => inside.textContent"))
    await page.close()
