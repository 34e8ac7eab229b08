"""The head of a view: its source, how fresh it is, and the buttons."""

from __future__ import annotations

from typing import ClassVar

import param

from ...views.browser import asset
from ...views.span import WINDOWS
from .component import Component

__all__ = ["Bar"]


class Bar(Component):
    """The head of a view: freshness, pause, time window, download, and light or dark."""

    freshness = param.Dict(default={"kind": "connecting", "pill": "", "banner": ""})
    source = param.String(default="")
    paused = param.Boolean(default=False)
    window = param.Integer(default=300)
    windows = param.List(default=[list(item) for item in WINDOWS.items()])
    csv = param.Boolean(default=True)
    pausable = param.Boolean(default=True)
    themed = param.Boolean(default=True)

    _esm: ClassVar[str] = asset("common.js") + asset("bar.js")
    _stylesheets: ClassVar[list[str]] = [asset("bar.css")]
