"""JavaScript and CSS that the dashboard page and notebook outputs share.

The files of this folder draw charts over time, tables and tiles, and format numbers. Each component
gets its data and options as arguments. No component fetches data or depends on the page that
contains it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from ...core.si_prefixes import PREFIXES
from ..number_format import UNKNOWN

__all__ = ["FONT", "asset", "constant", "rules", "script"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
"""CSS ``font-family`` of all views. Only system fonts: a view loads nothing from other hosts."""

_SCRIPTS = (
    "elements.js",
    "number_format.js",
    "scales.js",
    "time_axis.js",
    "svg_plot.js",
    "chart.js",
    "tiles.js",
    "table.js",
)
"""Script files in load order: a script may use the definitions of the scripts before it."""

_SHEETS = ("common.css", "chart.css", "tiles.css", "table.css")


@cache
def asset(name: str) -> str:
    """Return the text of a JavaScript or CSS file of this folder, by its file name."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def constant(name: str, value: Any) -> str:
    """Return a JavaScript ``const`` declaration with a Python value encoded as JSON."""
    return f"const {name} = {msgspec.json.encode(value).decode()}"


def script() -> str:
    """Return the scripts of all components as one text, to be put at the top of a script."""
    constants = (constant("PREFIXES", PREFIXES), constant("UNKNOWN", UNKNOWN))
    return "\n".join((*constants, *map(asset, _SCRIPTS)))


def rules() -> str:
    """Return the components' CSS; colours are custom properties that the page must define."""
    return "\n".join(map(asset, _SHEETS))
