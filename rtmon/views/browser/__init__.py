"""Scripts and style sheets shared by the dashboard's page and notebook outputs.

Formats, charts over time, tables and tiles: each component gets its data, and knows neither the
surrounding page nor the source of the data.
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
"""System fonts: a view loads nothing from other hosts."""

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
"""Scripts in load order: each uses those before it."""

_SHEETS = ("common.css", "chart.css", "tiles.css", "table.css")


@cache
def asset(name: str) -> str:
    """Read a script or style sheet of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def constant(name: str, value: Any) -> str:
    """Return a Python value as a JavaScript constant."""
    return f"const {name} = {msgspec.json.encode(value).decode()}"


def script() -> str:
    """Return the components as JavaScript statements, for the scope of one script."""
    constants = (constant("PREFIXES", PREFIXES), constant("UNKNOWN", UNKNOWN))
    return "\n".join((*constants, *map(asset, _SCRIPTS)))


def rules() -> str:
    """Return the style sheet of the components, without its colours."""
    return "\n".join(map(asset, _SHEETS))
