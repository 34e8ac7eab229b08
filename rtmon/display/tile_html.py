"""Tiles as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..views.numbers import UNKNOWN
from ..views.tiles import Tile

__all__ = ["html"]

_ARROWS = {1: "▲", -1: "▼", 0: ""}
_SPOKEN = {1: "up", -1: "down", 0: ""}


def html(row: Sequence[Tile]) -> str:
    """Write a row of tiles as HTML, every text escaped."""
    return f'<div class="tiles">{"".join(map(_html, row))}</div>'


def _html(tile: Tile) -> str:
    say = " ".join(filter(None, (tile.label, tile.value, tile.unit, tile.reason)))
    if tile.alert:
        foot = f'<p class="reason"><b aria-hidden="true"><i>!</i></b> {escape(tile.reason)}</p>'
    elif tile.change:
        foot = (
            f'<p class="change {tile.mood}"><span aria-hidden="true">{_ARROWS[tile.sign]}</span>'
            f'<span class="spoken">{_SPOKEN[tile.sign]}</span> {escape(tile.change)}'
            f"{' in 1 min' if tile.sign else ''}</p>"
        )
    else:
        foot = f'<p class="change neutral">{UNKNOWN}</p>'
    return (
        f'<section class="tile {tile.alert}" data-tile="{tile.key}" aria-label="{escape(say)}">'
        f"<h3>{escape(tile.label)}</h3>"
        f'<p class="value">{escape(tile.value)} <small>{escape(tile.unit)}</small></p>'
        f"{foot}"
        f'<p class="total" data-total="{tile.key}">{escape(tile.total)}</p>'
        "</section>"
    )
