"""The pages: one file each, which answers what its browser side asks for.

A page is a function of a feed and of what the address of the page says. The table
:data:`PAGES` names them all; a page without rows of its own (the overview) needs no function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...feeds.feed import Feed
from . import channels, connection, connections, events, latency, socketio

__all__ = ["PAGES", "Answer"]

Answer = Callable[[Feed, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Answers what a page shows, from a feed and the parameters of the page's address."""

PAGES: Mapping[str, Answer] = {
    "connections": connections.answer,
    "connection": connection.answer,
    "channels": channels.answer,
    "channel": channels.answer_one,
    "latency": latency.answer,
    "events": events.answer,
    "socketio": socketio.answer,
}
"""Page → what answers it."""
