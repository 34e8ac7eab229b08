"""Latency: distributions over time, and percentiles by path, room and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...feeds.feed import Feed
from ...metrics.columns import LATENCY, names
from .rows import table_page

__all__ = ["answer"]


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return percentiles by label."""
    return await table_page(feed, asked, table="latencies", default=names(LATENCY), sort="measure")
