"""Serves the progress wall: a page, and a WebSocket that has the whole wall at each change."""

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
"""Seconds between two states that are sent; changes within are sent together."""

WAITING_MOST = 4 * 1024 * 1024
"""Bytes that may wait for one page; a page that is further behind is cut, and comes again."""

FEED = "/feed"


class WallServer(server_base.BaseServer):
    """A running progress wall.

    Args:
        state: returns the content of the page.
        host: the interface to listen on.
        port: the port; 0 for any that is free.
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
        """Address of the page."""
        return f"http://{server_base.address(self._host, self._port)}/"

    async def start(self) -> None:
        """Start listening. Idempotent.

        Raises:
            PortInUse: another process listens there.
            OptionError: the host is not one of this machine's.
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
        """Stop listening and let the pages go; idempotent."""
        if self._due is not None:
            self._due.cancel()
        if self._server is not None:
            self._server.close()

    async def wait_closed(self) -> None:
        """Wait until the pages are gone."""
        if self._server is not None:
            await self._server.wait_closed()

    def changed(self) -> None:
        """Send the state to all pages, soon."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(BETWEEN, self._send)

    def _send(self) -> None:
        self._due = None
        ready = []
        for page in self._pages:
            if waiting(page.transport) > WAITING_MOST:
                page.transport.abort()
            else:
                ready.append(page)
        broadcast(ready, self._frame())

    def _frame(self) -> str:
        return json.dumps(self._state(), separators=(",", ":"))

    async def _feed(self, page: ServerConnection) -> None:
        self._pages.add(page)
        try:
            await page.send(self._frame())
            await page.wait_closed()
        finally:
            self._pages.discard(page)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        # DNS rebinding: a foreign page whose name resolves to this machine would be same-origin.
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
    """Return the page's files, with the project's palette as a style sheet."""
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
