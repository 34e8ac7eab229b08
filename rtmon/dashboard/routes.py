"""Adds the dashboard's own addresses to the Tornado server that serves the page.

Under ``panel serve`` there is no other moment for it than a page's first session, and nothing
public that leads from a session to its server. So the server is looked for once, among all
objects: its class is public, and one look takes some tens of milliseconds.
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
"""Seconds for which a browser may keep the script: its address changes with its content."""


class ScriptHandler(RequestHandler):
    """The page's script; it holds nothing that has to be kept from anybody."""

    async def get(self) -> None:
        """Send the script, compressed where the browser takes that."""
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
    """Return the addresses as Tornado takes them, for ``pn.serve(extra_patterns=...)``."""
    return [
        (rf"{prefix}/{CHANNEL}", PageSocket, {"updater": updaters}),
        (rf"{prefix}/{DOWNLOAD}", DownloadHandler, {"updaters": updaters}),
        (rf"{prefix}/rtmon/[0-9a-f]+\.js", ScriptHandler),
    ]


def add_routes(updaters: PageUpdaters, served: MutableSet[Any], session: Any) -> None:
    """Add the addresses to the server of a session, unless it has them.

    Args:
        updaters: what pages are fed by.
        served: servers and applications that have the addresses.
        session: the session's context.
    """
    application = session.server_context.application_context
    if application in served:
        return
    for server in [found for found in gc.get_objects() if isinstance(found, BokehTornado)]:
        if server not in served:
            server.add_handlers(".*", patterns(updaters, server.prefix))
            served.add(server)
    served.add(application)
