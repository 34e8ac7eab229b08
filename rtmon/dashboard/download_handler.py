"""HTTP handler for downloads of dashboard tables as CSV or JSON files, on Panel's server."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import RequestHandler

from ..errors import RtmonError
from .page_access_tickets import has_ticket
from .page_updater_pool import PageUpdaters
from .page_websocket import lets_in
from .table_downloads import FileRequest, file_of

__all__ = ["DownloadHandler"]

LONGEST = 16_384
"""Maximum size in bytes of the body of a download request."""

_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json; charset=utf-8"}


class DownloadHandler(AuthRequestHandler, RequestHandler):
    """Handles a dashboard page's POST request for a table as a file.

    Before it answers, the handler checks the request's user, ticket and Origin header, as the
    WebSocket handler of the page does. A request that fails a check gets status 403.
    """

    def initialize(self, *, updaters: PageUpdaters) -> None:
        self._updaters = updaters

    def check_xsrf_cookie(self) -> None:
        """Skip Tornado's XSRF cookie check, because :meth:`post` checks the Origin header."""

    async def post(self) -> None:
        """Send the requested file. The request's body is a :class:`FileRequest` as JSON."""
        host = urlsplit(self.request.headers.get("Origin", "")).netloc.lower()
        if self.current_user is None or not has_ticket(self) or not lets_in(self, host):
            self.set_status(403)
            await self.finish({"error": "This page may not download: reload it, or log in again."})
            return
        self.set_header("Cache-Control", "no-store")
        try:
            asked = msgspec.json.decode(self.request.body[: LONGEST + 1], type=FileRequest)
            async with self._updaters.lend(asked.at) as feed:
                name, content = await file_of(feed, asked)
        except (RtmonError, OSError, msgspec.DecodeError) as exc:
            self.set_status(400)
            await self.finish({"error": str(exc)})
            return
        self.set_header("Content-Type", _TYPES[asked.format])
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        await self.finish(content)
