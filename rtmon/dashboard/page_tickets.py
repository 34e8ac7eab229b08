"""Tickets: signed tokens that prove that Panel authorized a page.

Panel calls ``pn.config.authorize_callback`` only when it sends a page. The page's WebSocket and
downloads therefore carry a ticket. A ticket is signed with the cookie secret, so it is valid in
every process of ``panel serve``, also after a restart.
"""

from __future__ import annotations

import panel as pn
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from ..errors import OptionError

__all__ = ["HEADER", "PARAMETER", "has_ticket", "ticket"]

HEADER = "Rtmon-Ticket"
"""The request header that carries a ticket."""

PARAMETER = "ticket"
"""The query parameter that carries a ticket in a WebSocket's URL.

Browsers cannot add headers to a WebSocket handshake.
"""

DAYS = 1.0
"""Days for which a ticket is valid. A page that reconnects with an expired ticket reloads."""

_NAME = "rtmon.ticket"


def ticket() -> str:
    """Return a new ticket for the page of the current Panel session.

    Without a cookie secret and an ``authorize_callback``, return "": no ticket is needed.

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
    """Return True if a request has a valid ticket that was issued to the request's user.

    Without a cookie secret, return True unless an ``authorize_callback`` is set.
    """
    secret = pn.config.cookie_secret
    if secret is None:
        return not pn.config.authorize_callback
    given = handler.request.headers.get(HEADER) or handler.get_query_argument(PARAMETER, "")
    user = decode_signed_value(secret, _NAME, given, max_age_days=DAYS)
    return user is not None and user.decode() == _user(handler, secret)


def _user(handler: RequestHandler, secret: str) -> str:
    """Return the user of a request, as ``pn.state.user`` would be; "" if there is none."""
    if handler.get_cookie("is_guest"):
        return "guest"
    user = decode_signed_value(secret, "user", handler.get_cookie("user"))
    return "" if user is None else user.decode()
