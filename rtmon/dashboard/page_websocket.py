"""WebSocket handler of dashboard pages in browsers, on Panel's server."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from bokeh.server.util import check_allowlist
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from bokeh.settings import settings
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import RtmonError
from .page_access_tickets import has_ticket
from .page_messages import PageMessage, obey
from .page_updater import PageUpdater
from .script_bundle import BUILD

__all__ = ["PageSocket", "lets_in"]

logger = logging.getLogger("rtmon")

LONGEST_REASON = 123
"""Maximum size of a close reason in bytes (RFC 6455, 5.5.1)."""

_decoder = msgspec.json.Decoder(PageMessage)


def lets_in(handler: RequestHandler, host: str) -> bool:
    """Return True if Bokeh's list of allowed WebSocket origins contains a page's host and port.

    Args:
        handler: the handler of the page's request.
        host: the page's host and port, such as ``localhost:5006``.
    """
    application: Any = handler.application
    allowed = settings.allowed_ws_origin() or list(application.websocket_origins)
    return check_allowlist(host, allowed)


class PageSocket(AuthRequestHandler, WebSocketHandler):
    """The WebSocket connection of one dashboard page in a browser.

    The handshake is refused unless the page's origin is allowed, Panel has authenticated the user,
    and the page has a valid ticket.
    """

    def initialize(self, *, updater: Callable[[], PageUpdater]) -> None:
        self._find_updater = updater
        self._updater: PageUpdater | None = None
        self.hidden = False
        self._sending: Any = None

    def check_origin(self, origin: str) -> bool:
        """Return True if Bokeh's allowed origins include the origin of the handshake request.

        If not, log a warning with the command-line option that would allow the origin.
        """
        host = urlsplit(origin).netloc.lower()
        if lets_in(self, host):
            return True
        logger.warning(
            "the dashboard refused a page opened at %s; --allow-websocket-origin=%s allows it",
            host[:200],
            host[:200],
        )
        return False

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.current_user is None or not has_ticket(self):
            self.set_status(403)
            await self.finish({"refused": "Log in again: reload the page."})
            return
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            await self._say_why()
            return
        # Tornado 6.6 skips check_origin() if the browser reports a same-origin request. This does
        # not protect against DNS rebinding, so the origin is always checked here.
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            self.set_status(403)
            await self.finish()
            return
        await super().get(*args, **kwargs)

    async def _say_why(self) -> None:
        """Answer a plain HTTP request with the reason why the page's WebSocket is refused.

        The answer is a JSON object. Its value ``refused`` is a sentence if the page's origin is not
        allowed, and "" for any other reason.
        """
        host = self.request.headers.get("Rtmon-Origin", "").lower()
        refused = ""
        if not lets_in(self, host):
            refused = (
                f"This page was opened at {host[:200]}, which the dashboard does not allow. "
                f"Start it with --allow-websocket-origin={host[:200]} (panel serve) "
                f"or --origin {host[:200]} (rtmon dashboard)."
            )
        self.set_header("Cache-Control", "no-store")
        with contextlib.suppress(StreamClosedError):  # the browser may have disconnected
            await self.finish({"refused": refused})

    def open(self, *_args: str, **_kwargs: str) -> None:
        self.set_nodelay(True)
        self.send(msgspec.json.encode({"build": BUILD}))
        try:
            self._updater = self._find_updater()
        except (RtmonError, OSError) as exc:
            logger.error("the dashboard has nothing to show: %s", exc)  # noqa: TRY400 - no traceback needed
            self.close(1011, str(exc).encode()[:LONGEST_REASON].decode(errors="ignore"))
            return
        self._updater.join(self)

    def on_message(self, message: str | bytes) -> None:
        if self._updater is None:
            return
        try:
            said = _decoder.decode(message)
        except msgspec.DecodeError:
            self.close(1002, "the message is not valid")
            return
        obey(self._updater, self, said)

    def on_close(self) -> None:
        if self._updater is not None:
            self._updater.leave(self)

    @property
    def ready(self) -> bool:
        """True if the browser tab is visible and all earlier messages are written to the socket."""
        return not self.hidden and (self._sending is None or self._sending.done())

    def send(self, text: bytes) -> None:
        """Send a message to the browser page. Do nothing if the browser has disconnected."""
        try:
            self._sending = self.write_message(text.decode())
        except WebSocketClosedError:
            return
        self._sending.add_done_callback(_heard)


def _heard(sending: Any) -> None:
    """Retrieve the exception of a finished send, so that asyncio does not log it."""
    if not sending.cancelled():
        sending.exception()
