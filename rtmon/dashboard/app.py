"""Serve the dashboard page with ``panel serve``.

Panel authenticates the viewer and sends the page. A WebSocket then updates the page.
"""

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

_UPDATERS = "rtmon.updaters"
_SERVED = "rtmon.served"
"""Keys of the page updaters and of the known servers in ``pn.state.cache``.

All Panel sessions of a process share this cache.
"""


def page(make_feed: Callable[[], Feed], *, notice: str = "") -> Any:
    """Make the dashboard page of one browser tab.

    Call this function in the script that ``panel serve`` runs. If the feed cannot be opened, the
    page shows the error.

    Args:
        make_feed: creates the feed. Called once per process for a live server, and once per
            viewer for a recording.
        notice: a sentence to show above the page, such as the source of its numbers.

    Returns:
        The Panel template of the page, already marked as servable.
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
        "notice": f'<p class="notice">{escape(notice)}</p>' if notice else "",
        "style": style(),
        "script": "" if failure else SCRIPT,
        # With several processes, the browser may request the script from a process that has not
        # added its routes yet. Such a page therefore contains the script.
        "inline": script()[0] if is_one_of_several() else "",
        "build": BUILD,
        "ticket": let_in,
        **{name: quote(BAR[name]) for name in ("bar", "brand")},
    }
    for name, value in variables.items():
        template.add_variable(name, value)
    return template.servable(title="rtmon")


def _feed_pages(make_feed: Callable[[], Feed]) -> None:
    """Add the dashboard's routes to the server of the current Panel session.

    The first page of a process also creates the process's page updaters.
    """
    updaters: PageUpdaters | None = pn.state.cache.get(_UPDATERS)
    if updaters is None:
        updaters = pn.state.cache[_UPDATERS] = PageUpdaters(make_feed)
        if is_one_of_several():
            end_with_parent()
    served = pn.state.cache.setdefault(_SERVED, WeakSet())
    document: Any = pn.state.curdoc
    add_routes(updaters, served, document.session_context)
