"""Channels and rooms of a hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...feeds.feed import Feed
from ...feeds.queries import Row
from .rows import table_page

__all__ = ["answer"]

DEFAULT_COLUMNS = (
    "channel",
    "subscribers",
    "published",
    "delivered",
    "dropped",
    "bytes",
    "fanout",
    "fanout_max",
)


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a page of channels."""
    return await table_page(
        feed, asked, table="channels", default=DEFAULT_COLUMNS, sort="-delivered", extra=_extra
    )


def _extra(row: Row) -> Mapping[str, Any]:
    info = row.record
    return {"channel": info.channel, "published": info.published, "delivered": info.delivered}
