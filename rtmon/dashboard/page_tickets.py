"""Tickets: signed proof that Panel authorized a page, for its WebSocket and downloads.

Panel asks ``pn.config.authorize_callback`` before it sends a page, and not again. The ticket
proves that authorization to the dashboard's own routes. Signed with the cookie secret, it is valid
in every process of ``panel serve`` and after a restart.
"""

from __future__ import annotations

import panel as pn
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from ..errors import OptionError

__all__ = ["HEADER", "PARAMETER", "has_ticket", "ticket"]

HEADER = "Rtmon-Ticket"
"""The request header that carries a ticket."""

PARAMETER = "ticket"
"""The query parameter that carries a ticket, for WebSockets, where a browser sends no headers."""

DAYS = 1.0
"""Days for which a ticket is valid; a page that reconnects later reloads itself."""

_NAME = "rtmon.ticket"


def ticket() -> str:
    """Return the ticket of the current session's page; "" without a cookie secret.

    Raises:
        OptionError: an ``authorize_callback`` is set, but no cookie secret to sign tickets with.
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
    """Return True if a request has a valid ticket of the same user."""
    secret = pn.config.cookie_secret
    if secret is None:
        return not pn.config.authorize_callback
    given = handler.request.headers.get(HEADER) or handler.get_query_argument(PARAMETER, "")
    user = decode_signed_value(secret, _NAME, given, max_age_days=DAYS)
    return user is not None and user.decode() == _user(handler, secret)


def _user(handler: RequestHandler, secret: str) -> str:
    """Return the user name as in ``pn.state.user``; "" for None."""
    if handler.get_cookie("is_guest"):
        return "guest"
    user = decode_signed_value(secret, "user", handler.get_cookie("user"))
    return "" if user is None else user.decode()
