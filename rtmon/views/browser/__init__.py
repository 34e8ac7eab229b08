"""What the scripts and style sheets of the dashboard's page and of a notebook share.

Formats, charts over time, tables and tiles: each is a component that is given its data, and knows
neither the page around it nor where the data come from.
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
"""Fonts that come with the machine: a view asks no other host for anything."""

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
"""In the order in which they are read: each uses those before it."""

_SHEETS = ("common.css", "chart.css", "tiles.css", "table.css")


@cache
def asset(name: str) -> str:
    """Read a script or style sheet of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def constant(name: str, value: Any) -> str:
    """Write a table of Python's as a statement of JavaScript."""
    return f"const {name} = {msgspec.json.encode(value).decode()}"


def script() -> str:
    """Return the components as JavaScript statements, for the scope of one script."""
    constants = (constant("PREFIXES", PREFIXES), constant("UNKNOWN", UNKNOWN))
    return "\n".join((*constants, *map(asset, _SCRIPTS)))


def rules() -> str:
    """Return the style sheet of the components, without its colours."""
    return "\n".join(map(asset, _SHEETS))
