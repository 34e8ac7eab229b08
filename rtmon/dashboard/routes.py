"""Adds the dashboard's HTTP and WebSocket routes to Panel's Tornado server.

Under ``panel serve``, rtmon's code first runs in the page's first session. Bokeh has no public API
to get the server of a session. So :func:`add_routes` searches all objects of the process for
instances of Bokeh's public server class. One search takes tens of milliseconds.
"""

from __future__ import annotations

import gc
from collections.abc import MutableSet
from typing import Any

from bokeh.server.tornado import BokehTornado
from tornado.web import RequestHandler

from .download_handler import DownloadHandler
from .page_updater_pool import PageUpdaters
from .page_websocket import PageSocket
from .script_bundle import BUILD, script

__all__ = ["CHANNEL", "DOWNLOAD", "SCRIPT", "add_routes", "patterns"]

CHANNEL = "rtmon/channel"
DOWNLOAD = "rtmon/download"
SCRIPT = f"rtmon/{BUILD}.js"

YEAR = 31_536_000
"""Seconds for which browsers may cache the script. A changed script has another URL."""


class ScriptHandler(RequestHandler):
    """Serves the dashboard's JavaScript without authentication: it contains nothing secret."""

    async def get(self) -> None:
        """Send the script, compressed with gzip if the browser accepts gzip."""
        text, packed = script()
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", f"public, max-age={YEAR}, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            await self.finish(packed)
        else:
            await self.finish(text)


def patterns(updaters: PageUpdaters, prefix: str = "") -> list[Any]:
    """Return the dashboard's routes in Tornado's form, for ``pn.serve(extra_patterns=...)``.

    Args:
        updaters: the page updaters of the process, for the handlers.
        prefix: the server's URL prefix, such as ``/monitoring``.
    """
    return [
        (rf"{prefix}/{CHANNEL}", PageSocket, {"updater": updaters}),
        (rf"{prefix}/{DOWNLOAD}", DownloadHandler, {"updaters": updaters}),
        (rf"{prefix}/rtmon/[0-9a-f]+\.js", ScriptHandler),
    ]


def add_routes(updaters: PageUpdaters, served: MutableSet[Any], session: Any) -> None:
    """Add the dashboard's routes to the server of a Bokeh session, unless they were added before.

    Args:
        updaters: the page updaters of the process, for the handlers.
        served: servers and applications whose routes were added; updated by this function.
        session: the Bokeh session context.
    """
    application = session.server_context.application_context
    if application in served:
        return
    for server in [found for found in gc.get_objects() if isinstance(found, BokehTornado)]:
        if server not in served:
            server.add_handlers(".*", patterns(updaters, server.prefix))
            served.add(server)
    served.add(application)
