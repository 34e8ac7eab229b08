"""The dashboard's web page for ``panel serve``.

Panel serves the page and authenticates the viewer. A WebSocket then sends updates to the page.
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
from .page_access_tickets import ticket
from .page_updater_pool import PageUpdaters
from .panel_worker_processes import end_with_parent, is_one_of_several
from .routes import SCRIPT, add_routes
from .script_bundle import BUILD, asset, script, style

__all__ = ["page"]

logger = logging.getLogger("rtmon")

_UPDATERS = "rtmon.updaters"
_SERVED = "rtmon.served"
"""Keys in ``pn.state.cache``, which all Panel sessions of the process share."""


def page(make_feed: Callable[[], Feed], *, notice: str = "") -> Any:
    """Create the dashboard page of one browser tab.

    Call this function in the script that ``panel serve`` runs. If the feed cannot be opened, the
    page shows the error message.

    Args:
        make_feed: creates the feed. A live feed is created once per process, for all tabs.
        notice: a sentence to show above the page, such as where the page's data comes from.

    Returns:
        The Panel template, already marked as servable.
    """
    template: Any = pn.Template(asset("page.html"))
    failure = let_in = ""
    try:
        let_in = ticket()
        _feed_pages(make_feed)
    except RtmonError as exc:
        logger.error("the dashboard has nothing to show: %s", exc)  # noqa: TRY400 - no traceback needed
        failure = f'<p class="failure" role="alert">{escape(str(exc))}</p>'
    variables = {
        "failure": failure,
        "notice": f'<p class="notice">{escape(notice)}</p>' if notice else "",
        "style": style(),
        "script": "" if failure else SCRIPT,
        # With --num-procs, the browser's request for the script may reach another process, which
        # may not have the script's route yet. So the page itself contains the script.
        "inline": script()[0] if is_one_of_several() else "",
        "build": BUILD,
        "ticket": let_in,
        **{name: quote(BAR[name]) for name in ("bar", "brand")},
    }
    for name, value in variables.items():
        template.add_variable(name, value)
    return template.servable(title="rtmon")


def _feed_pages(make_feed: Callable[[], Feed]) -> None:
    """Create the process's page updaters at its first page, and add their routes to the server."""
    updaters: PageUpdaters | None = pn.state.cache.get(_UPDATERS)
    if updaters is None:
        updaters = pn.state.cache[_UPDATERS] = PageUpdaters(make_feed)
        if is_one_of_several():
            end_with_parent()
    served = pn.state.cache.setdefault(_SERVED, WeakSet())
    document: Any = pn.state.curdoc
    add_routes(updaters, served, document.session_context)
