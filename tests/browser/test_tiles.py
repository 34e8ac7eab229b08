"""Tiles in a real browser, at the width that they have in a notebook."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Browser

from rtmon.display.output import asset
from rtmon.display.tile_html import html
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

DRAW = """([sheet, ...rows]) => {
  for (const row of rows) {
    const host = document.body.appendChild(document.createElement("div"))
    host.className = "compact"
    host.attachShadow({mode: "open"}).innerHTML = `<style>${sheet}</style>${row}`
  }
  return [...document.querySelectorAll(".compact")].flatMap(({shadowRoot}) =>
    [...shadowRoot.querySelectorAll("h3, .value, .change, .reason")]
      .filter((text) => text.scrollWidth > text.clientWidth).map((text) => text.textContent))
}"""
"""Draws rows of tiles as a notebook does; returns the texts that are cut off."""


@pytest.mark.parametrize("width", WIDTHS)
async def test_no_text_of_a_tile_is_cut_in_a_notebook(chromium: Browser, width: int) -> None:
    """Tiles fit with each change and alert that there can be, however wide the output is."""
    page = await chromium.new_page(viewport={"width": width, "height": 400})
    await page.set_content(f"<style>body {{ margin: 0; --rt-font: {browser.FONT} }}</style>")
    rows = [html([tile] * 7) for tile in (*CHANGES, *ALERTS)]
    assert await page.evaluate(DRAW, [asset("tiles.css"), *rows]) == []
    await page.close()
