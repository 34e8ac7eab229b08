"""Tickets: a page that Panel has let in carries one; its channel and downloads demand it.

Panel asks ``pn.config.authorize_callback`` before it sends a page, and not again. The ticket
carries that answer to the addresses of the dashboard's own. Signed with the cookie secret, it
holds in every process of ``panel serve`` and after a restart.
"""

from __future__ import annotations

import panel as pn
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from ..errors import OptionError

__all__ = ["HEADER", "PARAMETER", "has_ticket", "ticket"]

HEADER = "Rtmon-Ticket"
"""The request header that carries a ticket."""

PARAMETER = "ticket"
"""The parameter that does so where a browser sends no headers: of a WebSocket's address."""

DAYS = 1.0
"""Days for which a ticket is good; a page whose link is lost later loads itself again."""

_NAME = "rtmon.ticket"


def ticket() -> str:
    """Make the ticket of the page whose session this is; "" where no cookie secret is set.

    Raises:
        OptionError: an ``authorize_callback`` is set, and no secret to sign tickets with.
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
    """Return True if a request carries a ticket that was made for the same user."""
    secret = pn.config.cookie_secret
    if secret is None:
        return not pn.config.authorize_callback
    given = handler.request.headers.get(HEADER) or handler.get_query_argument(PARAMETER, "")
    user = decode_signed_value(secret, _NAME, given, max_age_days=DAYS)
    return user is not None and user.decode() == _user(handler, secret)


def _user(handler: RequestHandler, secret: str) -> str:
    """Return the name that is ``pn.state.user`` in a page's session; "" for None."""
    if handler.get_cookie("is_guest"):
        return "guest"
    user = decode_signed_value(secret, "user", handler.get_cookie("user"))
    return "" if user is None else user.decode()
