"""Assemble the dashboard's JavaScript and CSS from the files in ``assets``."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files

from ..feeds.queries import GROUP_KEYS
from ..views import browser, latency_heatmap, palette
from ..views.browser import FONT
from ..views.chart_json import chart_layouts
from ..views.connection_charts import CONNECTION_CHARTS
from ..views.server_charts import CHARTS
from ..views.table_cells import described

__all__ = ["BUILD", "app_script", "asset", "common_script", "rules", "script", "style"]

_PAGE = ("link.js", "browser_host.js")
"""Scripts of a page in a browser: the WebSocket to the server, and the app's host object."""

_APP = (
    "address.js",
    "store.js",
    "time_range.js",
    "page_chart.js",
    "downloads.js",
    "app_table.js",
    "column_menu.js",
    "overview.js",
    "connections.js",
    "connection.js",
    "channels.js",
    "heatmap.js",
    "latency.js",
    "events.js",
    "socketio.js",
    "replay.js",
    "one_tick.js",
    "keyboard.js",
    "app.js",
)
"""Scripts of the dashboard app, in load order. Each script may use the scripts before it."""

_SHEETS = ("page.css", "charts.css", "search.css", "pages.css", "replay.css", "heatmap.css")

_TABLES = ("connections", "events", "channels", "socketio", "latencies")


def asset(name: str) -> str:
    """Return the text of a file in ``rtmon/dashboard/assets``."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def script() -> tuple[str, bytes]:
    """Return the script of a browser page, as text and compressed with gzip."""
    text = _text()
    return text, gzip.compress(text.encode(), mtime=0)


@cache
def style() -> str:
    """Return the style sheet of a browser page: the colours of both themes, then the rules."""
    common = f"{palette.css(palette.CLOSE_CODES)} --rt-font: {FONT};"
    colors = (
        f":root {{ color-scheme: light; {palette.css(palette.LIGHT)} {common} }}\n"
        f':root[data-theme="dark"] {{ color-scheme: dark; {palette.css(palette.DARK)} }}\n'
    )
    return colors + rules()


def rules() -> str:
    """Return the dashboard's CSS rules, without the colours of the themes."""
    return "\n".join((browser.rules(), *map(asset, _SHEETS)))


def app_script() -> str:
    """Return the app's script: statements that read a variable ``host`` and define ``app``.

    A notebook runs the statements in one function per cell, so that cells share no variables.
    """
    return "\n".join(map(asset, _APP))


def common_script() -> str:
    """Return the script that must run before the app's script.

    It defines constants that Python generates, such as the charts and table columns, and the
    shared browser components.
    """
    constants = {
        "CHARTS": chart_layouts(CHARTS),
        "OWN_CHARTS": chart_layouts(CONNECTION_CHARTS),
        "COLUMNS": {table: described(table) for table in _TABLES},
        "GROUP_KEYS": GROUP_KEYS,
        "HEAT_BOUNDS": latency_heatmap.BOUNDS,
    }
    parts = [browser.constant(name, value) for name, value in constants.items()]
    return "\n".join((*parts, browser.script(), asset("pending_requests.js")))


def _text() -> str:
    body = "\n".join((common_script(), *map(asset, _PAGE), app_script()))
    return f"(() => {{\n{body}\n}})()\n"


BUILD = hashlib.sha256(_text().encode()).hexdigest()[:12]
"""Hash of the script. An open page with another hash reloads, for example after an upgrade."""
