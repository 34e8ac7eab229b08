"""The server side of the dashboard's pages: functions that compute the pages' table rows.

Each page has a function that takes a feed and the page's URL parameters. :data:`PAGES` lists these
functions. The overview has no table rows and therefore no function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...feeds.feed import Feed
from . import channels, connection, connections, events, latency, socketio

__all__ = ["PAGES", "Answer"]

Answer = Callable[[Feed, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Function that computes a page's content from a feed and the page's URL parameters."""

PAGES: Mapping[str, Answer] = {
    "connections": connections.answer,
    "connection": connection.answer,
    "channels": channels.answer,
    "channel": channels.answer_one,
    "latency": latency.answer,
    "events": events.answer,
    "socketio": socketio.answer,
}
"""Page name → function that computes the page's content."""
