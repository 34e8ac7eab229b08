"""Channels and rooms of a hub: a table of all, and one of them with its subscribers."""

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
"""Columns in sight until the viewer chooses others; the browser adds what it works out of them."""

MEMBER_COLUMNS = ("name", "user", "transport", "remote", "rtt", "send_queue", "dropped", "opened")
"""Columns of the connections that are in a channel or room."""

MEMBERS = 100
"""Connections of a channel or room that are listed."""

_TOLD = frozenset({"channel", "fanout"})
"""Columns of one channel that its title, and the mean delivery time, tell better."""

_DELIVERIES = "measure:delivery by:room"


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a page of channels."""
    page = await table_page(
        feed, asked, table="channels", default=DEFAULT_COLUMNS, sort="-delivered", extra=_extra
    )
    uptime = _uptime(feed, page["tick"]["seq"])
    slowest, lacks = await _p99(feed, _DELIVERIES)
    for row in page["rows"]:
        row["p99"] = delay(slowest.get(row["totals"]["channel"]))
    return {**page, "lacks": lacks, "uptime": uptime}


async def answer_one(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the channel that the parameter ``channel`` names."""
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
    """Return a column of a channel; None for the longest of no deliveries."""
    return None if column == "fanout_max" and info.published == 0 else getattr(info, column)


async def _members(feed: Feed, name: str) -> dict[str, Any]:
    """Return a page of the members of a channel or room, or why they are not known."""
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
    """Return what the browser works out rates from: totals since the channel's first use."""
    names = ("channel", "subscribers", "published", "delivered", "dropped", "fanout")
    return {name: getattr(info, name) for name in names}


def _uptime(feed: Feed, seq: int) -> float | None:
    """Return the server's monotonic clock at a tick, by which rates divide; None if it is over."""
    snapshot = feed.snapshot()
    return snapshot.uptime if snapshot is not None and snapshot.seq == seq else None


async def _p99(feed: Feed, where: str) -> tuple[dict[str, float], str]:
    """Return channel → p99 of its deliveries of the last minute, or why that is not known."""
    try:
        found = await feed.query(RowsQuery(table="latencies", where=where, limit=1000))
    except RtmonError as error:
        return {}, f"Delivery p99 is not known: {error}"
    rows = [row.record for row in found.rows]
    return {each.label: each.p99 for each in rows if each.p99 is not None}, ""
