from __future__ import annotations

from rtmon.display.tile_html import html
from rtmon.views.tiles import Tile


def test_html_escapes() -> None:
    """No text of a tile is markup."""
    row = Tile(key="open", label="<b>", value="<i>", unit="<u>", total="<s>", reason="<q>")
    text = html([row])
    assert "&lt;b&gt;" in text
    assert not [mark for mark in ("<b>", "<i>", "<u>", "<s>", "<q>") if mark in text]
