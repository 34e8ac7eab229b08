"""Joins the JavaScript and CSS files in ``assets`` into one script and one style sheet."""

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
"""Scripts used only in a browser tab: the connection to the server, and the app's host."""

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
"""Scripts of the app, in the order of the bundle. A script may use names of earlier scripts."""

_SHEETS = ("page.css", "charts.css", "search.css", "pages.css", "replay.css", "heatmap.css")

_TABLES = ("connections", "events", "channels", "socketio", "latencies")


def asset(name: str) -> str:
    """Return the text of a file in this package's folder ``assets``."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def script() -> tuple[str, bytes]:
    """Return the dashboard's script as text, and the same script compressed with gzip."""
    text = _text()
    return text, gzip.compress(text.encode(), mtime=0)


@cache
def style() -> str:
    """Return the dashboard's style sheet: the colours of both themes, and all CSS rules."""
    common = f"{palette.css(palette.CLOSE_CODES)} --rt-font: {FONT};"
    colors = (
        f":root {{ color-scheme: light; {palette.css(palette.LIGHT)} {common} }}\n"
        f':root[data-theme="dark"] {{ color-scheme: dark; {palette.css(palette.DARK)} }}\n'
    )
    return colors + rules()


def rules() -> str:
    """Return the dashboard's CSS rules without the definitions of the themes' colours."""
    return "\n".join((browser.rules(), *map(asset, _SHEETS)))


def app_script() -> str:
    """Return the app's script as JavaScript statements.

    The statements need a variable ``host`` in their scope, and define the variable ``app``. To
    run several independent apps on one page, run the statements in a separate function for each.
    """
    return "\n".join(map(asset, _APP))


def common_script() -> str:
    """Return the script that the app and its hosts need: constants from Python, and components.

    The constants describe the charts, the table columns and the heatmap's buckets.
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
"""Hash of the dashboard's script. A page that has loaded another version reloads itself."""
