"""Events: the newest first, searched and filtered by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...feeds.feed import Feed
from ...feeds.queries import Row
from .rows import table_page

__all__ = ["answer"]

DEFAULT_COLUMNS = ("time", "kind", "name", "remote", "code", "detail")


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a page of Events."""
    return await table_page(
        feed, asked, table="events", default=DEFAULT_COLUMNS, sort="-time", extra=_extra
    )


def _extra(row: Row) -> Mapping[str, Any]:
    return {"id": row.record.connection, "epoch": row.epoch, "kind": row.record.kind}
