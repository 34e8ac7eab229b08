"""The script and style sheet of the app: the parts in ``assets``, one after the other."""

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
"""The link to the server, and the browser's page as the host of the app."""

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
"""The app, in the order in which its parts are read: each uses those before it, and a host."""

_SHEETS = ("page.css", "charts.css", "search.css", "pages.css", "replay.css", "heatmap.css")

_TABLES = ("connections", "events", "channels", "socketio", "latencies")


def asset(name: str) -> str:
    """Read a text file from this package's ``assets``."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def script() -> tuple[str, bytes]:
    """Return the script, and the same compressed by gzip."""
    text = _text()
    return text, gzip.compress(text.encode(), mtime=0)


@cache
def style() -> str:
    """Return the style sheet: the colours of both themes, then the rules."""
    common = f"{palette.css(palette.CLOSE_CODES)} --rt-font: {FONT};"
    colors = (
        f":root {{ color-scheme: light; {palette.css(palette.LIGHT)} {common} }}\n"
        f':root[data-theme="dark"] {{ color-scheme: dark; {palette.css(palette.DARK)} }}\n'
    )
    return colors + rules()


def rules() -> str:
    """Return the style sheet without its colours."""
    return "\n".join((browser.rules(), *map(asset, _SHEETS)))


def app_script() -> str:
    """Return the app's script as statements; a ``host`` has to be in their scope.

    They leave the app in ``app``. Run in a function of its own for each host, they make several
    apps that know nothing of each other.
    """
    return "\n".join(map(asset, _APP))


def common_script() -> str:
    """Return what stands before the app and every host: tables from Python, components."""
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
"""Names this script: an open page that was made by another one loads itself again."""
