"""The served page: one feed for the whole process, one view for each tab."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

import panel as pn
from panel.io.resources import LOCAL_DIST

from ..errors import RtmonError
from ..feeds.feed import Feed
from ..views.palette import BAR
from .components.component import html
from .pages.overview import Overview
from .theme import asset, tokens

__all__ = ["page"]

logger = logging.getLogger("rtmon")

PERIOD = 1000
"""Milliseconds between two updates of a page."""

GONE = "The dashboard's own server has gone away; the page comes back by itself when it is back."


def page(make_feed: Callable[[], Feed]) -> Any:
    """Make the page of one browser tab; call it in the script that ``panel serve`` runs.

    If there is no feed, the page says why.

    Args:
        make_feed: makes the feed. It is called once a process, however many tabs there are.

    Returns:
        The page, already servable.
    """
    pn.extension(notifications=True, reconnect=True, disconnect_notification=GONE)
    if pn.state.curdoc is not None:
        # Panel says this only while it renders a page. A tab that comes back after its session
        # was lost gets a new one without that, and would look for styles on the internet.
        pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    template: Any = pn.Template(asset("page.html"))
    template.add_variable("tokens", tokens())
    for name in ("bar", "brand"):
        template.add_variable(name, quote(BAR[name]))
    try:
        feed = pn.state.as_cached("rtmon.feed", lambda: _started(make_feed()))
    except RtmonError as exc:
        logger.error("the dashboard has nothing to show: %s", exc)  # noqa: TRY400 - said in full
        failure = f'<p role="alert">{escape(str(exc))}</p>'
        template.add_panel("view", html(asset("failure.css"), failure))
        return template.servable(title="rtmon")
    view = Overview(feed)
    template.add_panel("view", view.root)

    def update() -> None:
        with pn.io.hold():
            view.update()

    def begin() -> None:
        pn.state.add_periodic_callback(update, period=PERIOD)

    pn.state.onload(begin)
    return template.servable(title="rtmon")


def _started(feed: Feed) -> Feed:
    # The task outlives the tab that came first, so it must not inherit that tab's context.
    task = asyncio.get_running_loop().create_task(feed.start(), context=contextvars.Context())
    _starting.add(task)
    task.add_done_callback(_starting.discard)
    return feed


_starting: set[asyncio.Task[None]] = set()
"""Tasks are held weakly by their loop."""
