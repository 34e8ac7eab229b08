"""Add the dashboard's URL routes to the Tornado server of ``panel serve``.

``panel serve`` runs no code of ours before the first session of a page. Bokeh's public API has no
path from a session to its server. So the first session searches all Python objects once for
servers of the public class BokehTornado. The search takes some tens of milliseconds.
"""

from __future__ import annotations

import gc
from collections.abc import MutableSet
from typing import Any

from bokeh.server.tornado import BokehTornado
from tornado.web import RequestHandler

from .download_handler import DownloadHandler
from .page_socket import PageSocket
from .page_updaters import PageUpdaters
from .script_bundle import BUILD, script

__all__ = ["CHANNEL", "DOWNLOAD", "SCRIPT", "add_routes", "patterns"]

CHANNEL = "rtmon/channel"
DOWNLOAD = "rtmon/download"
SCRIPT = f"rtmon/{BUILD}.js"

YEAR = 31_536_000
"""Seconds for which a browser may cache the script. The script's URL changes with its content."""


class ScriptHandler(RequestHandler):
    """Sends the dashboard's script. It needs no authentication: the script holds no user data."""

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
    """Return the dashboard's routes as Tornado URL patterns.

    They can also be passed to ``pn.serve(extra_patterns=...)``.

    Args:
        updaters: assigns a page updater to each page that connects.
        prefix: path prefix of the Bokeh server.
    """
    return [
        (rf"{prefix}/{CHANNEL}", PageSocket, {"updater": updaters}),
        (rf"{prefix}/{DOWNLOAD}", DownloadHandler, {"updaters": updaters}),
        (rf"{prefix}/rtmon/[0-9a-f]+\.js", ScriptHandler),
    ]


def add_routes(updaters: PageUpdaters, served: MutableSet[Any], session: Any) -> None:
    """Add the dashboard's routes to the server of a session, unless they were added before.

    Args:
        updaters: assigns a page updater to each page that connects.
        served: the servers and applications that have the routes; updated.
        session: Bokeh's session context of the page.
    """
    application = session.server_context.application_context
    if application in served:
        return
    for server in [found for found in gc.get_objects() if isinstance(found, BokehTornado)]:
        if server not in served:
            server.add_handlers(".*", patterns(updaters, server.prefix))
            served.add(server)
    served.add(application)
