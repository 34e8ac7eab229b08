"""Assemble the JavaScript that shows a dashboard page inside a notebook cell."""

from __future__ import annotations

import json
from functools import cache

from ..display.compressed_script import asset as display_asset
from ..display.compressed_script import packed
from ..views import palette
from ..views.browser import FONT
from .script_bundle import app_script, asset, common_script, rules

__all__ = ["cell_script"]

_KERNEL = ("kernel_socket.js", "kernel_comm.js", "theme.js")
"""Scripts in ``display/assets`` that connect a notebook output with the kernel and its theme."""

_CELL = ("notebook_link.js", "notebook_host.js")


@cache
def cell_script() -> tuple[str, str]:
    """Return the name of the dashboard page's custom element, and the script that defines it."""
    return packed("rtmon-page", _body(), element="RtmonPage")


def _body() -> str:
    colors = " ".join(map(palette.css, (palette.NOTEBOOK, palette.CLOSE_CODES)))
    style = "\n".join((f":host {{ --rt-font: {FONT}; {colors} }}", rules(), asset("notebook.css")))
    return "\n".join(
        (
            f"const STYLE = {json.dumps(style)}",
            common_script(),
            *map(display_asset, _KERNEL),
            # The app runs in a function, so that each cell has its own copy of the app's globals.
            "function openApp(host) {",
            app_script(),
            "return app",
            "}",
            *map(asset, _CELL),
        )
    )
