"""Server of the progress wall: an HTML page, and a WebSocket that updates the page.

The server sends the complete content of the wall over the WebSocket after each change.
"""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

from ...core.flood_protection import waiting
from ...core.ip_addresses import is_loopback
from ...core.web_origin import Authority
from ...hub.admission.origins import REFUSAL, Origins
from ...servers import server_base
from ...servers.page_response import page_response
from ...views import palette
from ...web import static_site

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

__all__ = ["WallServer"]

BETWEEN = 0.3
"""Minimum seconds between two updates of the page; changes in between are sent together."""

WAITING_MOST = 4 * 1024 * 1024
"""Maximum bytes in the write buffer of one page's connection.

If a slow browser exceeds this limit, the server aborts its connection. The page then reconnects.
"""

FEED = "/feed"
"""Path of the WebSocket from which the page receives its content."""


class WallServer(server_base.BaseServer):
    """HTTP and WebSocket server of a progress wall.

    Args:
        state: returns the current content of the wall as a JSON-serializable object.
        host: address of the network interface to listen on.
        port: TCP port to listen on; 0 for any free port.
    """

    def __init__(self, state: Callable[[], Any], host: str = "127.0.0.1", port: int = 0) -> None:
        self._state = state
        self._host = host
        self._port = port
        self._page = _page()
        self._origins = Origins(None)
        self._server: Server | None = None
        self._due: asyncio.TimerHandle | None = None
        self._pages: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        """URL of the progress wall's page."""
        return f"http://{server_base.address(self._host, self._port)}/"

    async def start(self) -> None:
        """Start listening for browsers. Does nothing if the server is already listening.

        Raises:
            PortInUse: another process listens on the port.
            OptionError: ``host`` is not an address of this machine.
        """
        if self._server is None:
            with server_base.binding("the progress wall", self._host, self._port):
                self._server = await serve(
                    self._feed,
                    self._host,
                    self._port,
                    process_request=self._answer,
                    close_timeout=0.5,
                    max_size=1024,
                )
            self._port = server_base.port_of(self._server)

    def close(self) -> None:
        """Stop listening, and start to close the connections of all pages. May be called twice."""
        if self._due is not None:
            self._due.cancel()
        if self._server is not None:
            self._server.close()

    async def wait_closed(self) -> None:
        """Wait until the connections of all pages are closed."""
        if self._server is not None:
            await self._server.wait_closed()

    def changed(self) -> None:
        """Schedule an update of all open pages, after the content of the wall has changed."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(BETWEEN, self._send)

    def _send(self) -> None:
        """Send the wall's content to all pages; abort connections of pages that read too slowly."""
        self._due = None
        ready = []
        for page in self._pages:
            if waiting(page.transport) > WAITING_MOST:
                page.transport.abort()
            else:
                ready.append(page)
        broadcast(ready, self._frame())

    def _frame(self) -> str:
        """Return the content of the wall as JSON."""
        return json.dumps(self._state(), separators=(",", ":"))

    async def _feed(self, page: ServerConnection) -> None:
        """Handle the WebSocket connection of one page until the connection is closed."""
        self._pages.add(page)
        try:
            await page.send(self._frame())
            await page.wait_closed()
        finally:
            self._pages.discard(page)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an HTTP request; return None to accept the WebSocket handshake of a page."""
        # Protection against DNS rebinding: if the domain of a foreign page resolved to 127.0.0.1,
        # browsers would treat that page as same-origin. So only loopback host names are accepted.
        hosts = map(Authority.parse, request.headers.get_all("Host"))
        if is_loopback(self._host) and not all(host and is_loopback(host.host) for host in hosts):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "ask for it as localhost\n")
        if not request.headers.get_all("Upgrade"):
            return page_response(connection, request, self._page)
        if not self._origins.allows(request.headers.get_all, secure=False):
            return connection.respond(http.HTTPStatus.FORBIDDEN, REFUSAL)
        if request.path != FEED:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"the WebSocket is {FEED}\n")
        return None


def _page() -> static_site.Site:
    """Return the files of the page, including a style sheet generated from the colour palette."""
    contents = {
        entry.name: entry.read_bytes()
        for entry in files(__package__).iterdir()
        if entry.name.startswith("wall.")
    }
    dark = palette.css(palette.DARK)
    sheet = (
        f":root {{ {palette.css(palette.BAR)} {palette.css(palette.LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f":root[data-theme=dark] {{ {dark} }}\n"
    )
    icon = (files("rtmon.web") / "icon.svg").read_bytes()
    contents |= {"palette.css": sheet.encode(), "icon.svg": icon}
    return static_site.site(contents, "wall.html")
