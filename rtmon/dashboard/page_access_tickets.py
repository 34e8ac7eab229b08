"""Access tickets: signed values that prove that Panel has authorized a dashboard page's user.

Panel calls ``pn.config.authorize_callback`` only before it sends a page. The page then sends its
ticket with each WebSocket handshake and each download request. Tickets are signed with Panel's
cookie secret, so they are valid in all processes of ``panel serve`` and after a restart.
"""

from __future__ import annotations

import panel as pn
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from ..errors import OptionError

__all__ = ["HEADER", "PARAMETER", "has_ticket", "ticket"]

HEADER = "Rtmon-Ticket"
"""Name of the HTTP request header that carries the page's ticket."""

PARAMETER = "ticket"
"""URL query parameter that carries the page's ticket in WebSocket handshakes.

A browser's script cannot set headers of a handshake.
"""

DAYS = 1.0
"""Lifetime of a ticket in days. A page that reconnects with an expired ticket reloads itself."""

_NAME = "rtmon.ticket"


def ticket() -> str:
    """Return a ticket for the current Panel session's page; "" if Panel has no cookie secret.

    Raises:
        OptionError: an ``authorize_callback`` is set, but Panel has no cookie secret, with which
            tickets are signed.
    """
    secret = pn.config.cookie_secret
    if secret is not None:
        return create_signed_value(secret, _NAME, pn.state.user or "").decode()
    if pn.config.authorize_callback:
        raise OptionError(
            "pn.config.authorize_callback is set, but no cookie secret, with which the dashboard "
            "signs that a page was let in; start it with --cookie-secret (panel secret makes one)"
        )
    return ""


def has_ticket(handler: RequestHandler) -> bool:
    """Return True if a request has an unexpired ticket that was issued to the request's user.

    If Panel has no cookie secret, return True unless an ``authorize_callback`` is set.
    """
    secret = pn.config.cookie_secret
    if secret is None:
        return not pn.config.authorize_callback
    given = handler.request.headers.get(HEADER) or handler.get_query_argument(PARAMETER, "")
    user = decode_signed_value(secret, _NAME, given, max_age_days=DAYS)
    return user is not None and user.decode() == _user(handler, secret)


def _user(handler: RequestHandler, secret: str) -> str:
    """Return the user name from a request's cookies, or "". It equals ``pn.state.user``."""
    if handler.get_cookie("is_guest"):
        return "guest"
    user = decode_signed_value(secret, "user", handler.get_cookie("user"))
    return "" if user is None else user.decode()
