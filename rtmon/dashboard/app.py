"""The page of ``panel serve``: Panel lets the viewer in and sends the page, a channel feeds it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

try:
    import panel as pn
except ImportError:
    from ..errors import MissingExtra

    raise MissingExtra("The dashboard", "panel", "dashboard") from None

from ..errors import RtmonError
from ..feeds.feed import Feed
from ..views.palette import BAR
from .page_tickets import ticket
from .page_updaters import PageUpdaters
from .panel_processes import end_with_parent, is_one_of_several
from .routes import SCRIPT, add_routes
from .script_bundle import BUILD, asset, script, style

__all__ = ["page"]

logger = logging.getLogger("rtmon")

_DESKS = "rtmon.desks"
_SERVED = "rtmon.served"
"""Names in Panel's cache, which is that of the process."""


def page(make_feed: Callable[[], Feed]) -> Any:
    """Make the page of one browser tab; call it in the script that ``panel serve`` runs.

    If there is no feed, the page says why.

    Args:
        make_feed: makes the feed. It is called once a process, however many tabs there are.

    Returns:
        The page, already servable.
    """
    template: Any = pn.Template(asset("page.html"))
    failure = let_in = ""
    try:
        let_in = ticket()
        _feed_pages(make_feed)
    except RtmonError as exc:
        logger.error("the dashboard has nothing to show: %s", exc)  # noqa: TRY400 - said in full
        failure = f'<p class="failure" role="alert">{escape(str(exc))}</p>'
    variables = {
        "failure": failure,
        "style": style(),
        "script": "" if failure else SCRIPT,
        # Another process may not have the script's address yet.
        "inline": script()[0] if is_one_of_several() else "",
        "build": BUILD,
        "ticket": let_in,
        **{name: quote(BAR[name]) for name in ("bar", "brand")},
    }
    for name, value in variables.items():
        template.add_variable(name, value)
    return template.servable(title="rtmon")


def _feed_pages(make_feed: Callable[[], Feed]) -> None:
    """Make the desks of this process for its first page; add their addresses to the server."""
    desks: PageUpdaters | None = pn.state.cache.get(_DESKS)
    if desks is None:
        desks = pn.state.cache[_DESKS] = PageUpdaters(make_feed)
        if is_one_of_several():
            end_with_parent()
    served = pn.state.cache.setdefault(_SERVED, WeakSet())
    document: Any = pn.state.curdoc
    add_routes(desks, served, document.session_context)
