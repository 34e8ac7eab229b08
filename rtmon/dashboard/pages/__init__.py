"""The functions that compute the content of the dashboard's pages, one module per page.

Each function takes a feed and the parameters of the page's URL. :data:`PAGES` lists the functions.
The overview has no function, because it shows only the tiles and charts of each update.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...feeds.feed import Feed
from . import channels, connection, connections, events, latency, socketio

__all__ = ["PAGES", "Answer"]

Answer = Callable[[Feed, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Computes a page's content from a feed and the parameters of the page's URL."""

PAGES: Mapping[str, Answer] = {
    "connections": connections.answer,
    "connection": connection.answer,
    "channels": channels.answer,
    "channel": channels.answer_one,
    "latency": latency.answer,
    "events": events.answer,
    "socketio": socketio.answer,
}
"""Page → function that computes its content."""
