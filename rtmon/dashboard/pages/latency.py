"""Computes the dashboard page of latency.

The page shows heatmaps of latency over time, percentiles by path, room and message type, and the
connections with the longest round-trip times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...feeds.feed import Feed
from ...metrics.columns import LATENCY, names
from ...metrics.records import Sample
from ...views.latency_heatmap import heat_columns
from .table_rows import table_page
from .url_parameters import whole_number

__all__ = ["answer"]

WORST = ("name", "user", "path", "rtt_p99", "rtt", "send_queue", "queue_age", "messages_out")
"""Columns of the table of connections with the longest round-trip times."""

NEWEST = 3
"""Number of newest ticks in each answer. A page that has missed more ticks requests them."""


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return percentiles, the connections with the longest round trips, and heatmap columns.

    The URL parameter ``heat`` is the number of a tick. With it, return only the heatmap columns of
    later ticks. ``since`` and ``until``, in Unix seconds, limit the ticks. ``step`` is the number
    of ticks in a heatmap column.
    """
    if "heat" in asked:
        return {"heat": heat_columns(_samples(feed, asked), _step(asked))}
    latest = feed.latest()
    newest = feed.samples(max(0, latest.seq - NEWEST)) if latest is not None else []
    worst = await table_page(
        feed,
        {"columns": ",".join(WORST), "size": "10"},
        table="connections",
        default=WORST,
        sort="-rtt_p99",
        where="state:open rtt>0",
        extra=lambda row: {"id": row.record.id, "epoch": row.epoch},
    )
    found: dict[str, Any] = {"heat": heat_columns(newest, 1), "worst": worst, "tick": worst["tick"]}
    if "latencies" in feed.capabilities.tables:
        found |= await table_page(
            feed, asked, table="latencies", default=names(LATENCY), sort="measure"
        )
    return found


def _step(asked: Mapping[str, str]) -> int:
    return max(1, whole_number(asked, "step", 1, most=3600))


def _samples(feed: Feed, asked: Mapping[str, str]) -> Sequence[Sample]:
    since = whole_number(asked, "since", 0, most=10**11)
    until = whole_number(asked, "until", 10**11, most=10**11)
    samples = feed.samples(whole_number(asked, "heat", 0, most=10**11))
    return [sample for sample in samples if since <= sample.time <= until]
