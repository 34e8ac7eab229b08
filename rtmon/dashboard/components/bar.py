"""The head of a view: its source, how fresh it is, and the buttons."""

from __future__ import annotations

from typing import ClassVar

import param

from ..theme import asset
from .component import Component

__all__ = ["WINDOWS", "Bar"]

WINDOWS: dict[int, str] = {60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h"}
"""Seconds that the charts can show, and their labels."""


class Bar(Component):
    """The head of a view: freshness, pause, time window, download, and light or dark."""

    freshness = param.Dict(default={"kind": "connecting", "pill": "", "banner": ""})
    source = param.String(default="")
    paused = param.Boolean(default=False)
    window = param.Integer(default=300)
    windows = param.List(default=[list(item) for item in WINDOWS.items()])
    themed = param.Boolean(default=False)

    _esm: ClassVar[str] = asset("common.js") + asset("bar.js")
    _stylesheets: ClassVar[list[str]] = [asset("bar.css")]
