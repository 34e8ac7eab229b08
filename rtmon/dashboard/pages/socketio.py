"""Content of the Socket.IO page: a server's counts by namespace, event and room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...feeds.feed import Feed
from ...metrics.columns import SOCKETIO, names
from .table_rows import table_page

__all__ = ["answer"]


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return one page of the Socket.IO table."""
    return await table_page(feed, asked, table="socketio", default=names(SOCKETIO), sort="kind")
