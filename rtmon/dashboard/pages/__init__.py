"""The server side of the pages, one file each: computes the rows that the page shows.

A page is a function of a feed and of the parameters in the page's address. The table
:data:`PAGES` names them all; a page without rows of its own (the overview) needs no function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...feeds.feed import Feed
from . import channels, connection, connections, events, latency, socketio

__all__ = ["PAGES", "Answer"]

Answer = Callable[[Feed, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Computes a page's content from a feed and the parameters of the page's address."""

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
