"""Computes two dashboard pages: the table of a hub's channels and rooms, and one channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import RtmonError
from ...feeds.feed import Feed
from ...feeds.queries import MembersQuery, Row, RowsQuery, Source
from ...metrics.columns import CHANNEL, CONNECTION
from ...metrics.records import ChannelInfo
from ...views.number_format import delay
from ...views.table_cells import cell
from .table_rows import table_page, tick
from .url_parameters import quoted

__all__ = ["answer", "answer_one", "totals"]

DEFAULT_COLUMNS = ("channel", "subscribers", "published", "delivered", "dropped")
"""Columns shown by default. The browser adds columns that it computes, such as rates."""

MEMBER_COLUMNS = ("name", "user", "transport", "remote", "rtt", "send_queue", "dropped", "opened")
"""Columns of the table of connections that have subscribed to a channel or joined a room."""

MEMBERS = 100
"""Maximum number of connections listed on the page of one channel or room."""

_TOLD = frozenset({"channel", "fanout"})
"""Columns omitted on a channel's page: the title or the mean delivery time shows them instead."""

_DELIVERIES = "measure:delivery by:room"


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return one page of the table of channels, sorted and filtered by URL parameters."""
    page = await table_page(
        feed, asked, table="channels", default=DEFAULT_COLUMNS, sort="-delivered", extra=_extra
    )
    uptime = _uptime(feed, page["tick"]["seq"])
    slowest, lacks = await _p99(feed, _DELIVERIES)
    for row in page["rows"]:
        row["p99"] = delay(slowest.get(row["totals"]["channel"]))
    return {**page, "lacks": lacks, "uptime": uptime}


async def answer_one(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return totals, columns and members of the channel that the URL parameter ``channel`` names.

    If the feed has no such channel, ``totals`` is None.
    """
    name = asked.get("channel", "")
    info = next((info for info in feed.channels() if info.channel == name), None)
    latest = feed.latest()
    answer = {
        "channel": name,
        "uptime": _uptime(feed, latest.seq if latest else 0),
        "time": None if latest is None else round(latest.time * 1e3),
        "tick": tick(latest or Source()),
    }
    if info is None:
        return {**answer, "totals": None}
    slowest, lacks = await _p99(feed, f"{_DELIVERIES} label:{quoted(name)}")
    known = [[c.name, cell(c, _known(info, c.name))] for c in CHANNEL if c.name not in _TOLD]
    return {
        **answer,
        "totals": totals(info),
        "known": known,
        "p99": delay(slowest.get(name)),
        "lacks": lacks,
        "members": await _members(feed, name),
    }


def _known(info: ChannelInfo, column: str) -> Any:
    """Return the value of a channel's column.

    The longest delivery time is None if nothing was published.
    """
    return None if column == "fanout_max" and info.published == 0 else getattr(info, column)


async def _members(feed: Feed, name: str) -> dict[str, Any]:
    """Return the table of a channel's or room's member connections.

    If the members are unknown, ``missing`` contains the reason.
    """
    found = await feed.query(MembersQuery(channel=name, limit=MEMBERS))
    source = found.source
    columns = {column.name: column for column in CONNECTION}
    shown = len(found.members)
    return {
        "table": "members",
        "columns": MEMBER_COLUMNS,
        "sort": "",
        "rows": [
            {
                "id": info.id,
                "epoch": source.epoch,
                "cells": [
                    [info.id, "soft"]
                    if column == "name" and info.name is None
                    else cell(columns[column], getattr(info, column))
                    for column in MEMBER_COLUMNS
                ],
            }
            for info in found.members
        ],
        "total": found.total,
        "offset": 0,
        "size": MEMBERS,
        "forgotten": f"the first {shown:,}" if shown < (found.total or 0) else "",
        "missing": found.missing,
        "tick": tick(source),
    }


def _extra(row: Row) -> Mapping[str, Any]:
    return {"totals": totals(row.record)}


def totals(info: ChannelInfo) -> dict[str, Any]:
    """Return a channel's totals since its first use. The browser computes rates from them."""
    names = ("channel", "subscribers", "published", "delivered", "dropped", "fanout")
    return {name: getattr(info, name) for name in names}


def _uptime(feed: Feed, seq: int) -> float | None:
    """Return the server's uptime in seconds at a tick, from which the browser computes rates.

    Args:
        feed: the feed.
        seq: number of the tick.

    Returns:
        The uptime; None if the tick is not the feed's newest one, or the feed has no data.
    """
    snapshot = feed.snapshot()
    return snapshot.uptime if snapshot is not None and snapshot.seq == seq else None


async def _p99(feed: Feed, where: str) -> tuple[dict[str, float], str]:
    """Return the p99 delivery time of each channel in the last minute.

    Args:
        feed: the feed.
        where: condition on the rows of the table of latencies.

    Returns:
        A pair: channel name → p99 in seconds, and the reason why the p99 is unknown. The reason is
        "" if the p99 is known.
    """
    try:
        found = await feed.query(RowsQuery(table="latencies", where=where, limit=1000))
    except RtmonError as error:
        return {}, f"Delivery p99 is not known: {error}"
    rows = [row.record for row in found.rows]
    return {each.label: each.p99 for each in rows if each.p99 is not None}, ""
