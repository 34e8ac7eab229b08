"""Computes the dashboard page of connections: rows that match a query, or groups with totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...feeds.feed import Feed
from ...feeds.queries import GROUP_KEYS, Group, GroupQuery, Row
from ...views.number_format import UNKNOWN, delay, exact, scaled
from .table_rows import table_page, tick
from .url_parameters import combined_condition, order

__all__ = ["DEFAULT_COLUMNS", "answer"]

DEFAULT_COLUMNS = (
    "name",
    "user",
    "transport",
    "remote",
    "path",
    "messages_in",
    "messages_out",
    "bytes_out",
    "rtt",
    "send_queue",
    "queue_age",
    "errors",
    "opened",
    "state",
    "cause",
)
"""Columns of the table of open or of all connections, until the viewer chooses others."""

CLOSED_COLUMNS = (
    "name",
    "user",
    "transport",
    "remote",
    "path",
    "messages_in",
    "messages_out",
    "errors",
    "dropped",
    "opened",
    "closed",
    "close_code",
    "initiator",
    "cause",
)
"""Columns of the table of closed connections, until the viewer chooses others."""

STATES = ("open", "closed", "all")
"""Values of the URL parameter ``state``: which connections to show. The first is the default."""

GROUP_COLUMNS = (
    "key",
    "open",
    "closed",
    "messages_in",
    "messages_out",
    "bytes_in",
    "bytes_out",
    "errors",
    "dropped",
    "send_queue",
    "rtt_p99",
    "queue_age",
)
"""Columns of the table of groups.

``rtt_p99`` and ``queue_age`` are the maximum over the group, the other numbers are sums.
"""


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return one page of the table of connections.

    The URL parameter ``by`` is the name of a key, such as ``path``. With this parameter, return
    groups of connections that have the same value of the key.
    """
    state = asked.get("state", STATES[0])
    where = f"state:{state}" if state in {"open", "closed"} else ""
    by = next((key for key in GROUP_KEYS if key == asked.get("by")), None)
    if by is None:
        return await table_page(
            feed,
            asked,
            table="connections",
            default=CLOSED_COLUMNS if state == "closed" else DEFAULT_COLUMNS,
            sort="-closed" if state == "closed" else "-opened",
            extra=_extra,
            where=where,
        )
    column, descending = order(asked, GROUP_COLUMNS, "-closed" if state == "closed" else "-open")
    where = combined_condition(asked, "connections", where)
    found = await feed.query(
        GroupQuery(
            by=by,
            where=where,
            sort=column,
            descending=descending,
        )
    )
    groups = [*found.groups, *([found.others] if found.others is not None else [])]
    return {
        "table": "connections",
        "query": where,
        "by": by,
        "sort": ("-" if descending else "") + column,
        "groups": [_group(by, group, other=group is found.others) for group in groups],
        "total": found.total,
        "tick": tick(found.source),
    }


def _extra(row: Row) -> Mapping[str, Any]:
    """Return the connection's id for the row's link, and its total of messages for a sparkline."""
    info = row.record
    messages = None
    if info.messages_in is not None and info.messages_out is not None:
        messages = info.messages_in + info.messages_out
    return {"id": info.id, "epoch": row.epoch, "open": info.state == "open", "messages": messages}


def _group(by: str, group: Group, *, other: bool) -> Mapping[str, Any]:
    def size(name: str) -> str:
        value = group.sums.get(name)
        return UNKNOWN if value is None else " ".join(scaled(value, "B"))

    counters = [exact(group.sums.get(name)) for name in ("messages_in", "messages_out")]
    return {
        "key": None if other else group.key,
        "where": "" if other else _condition(by, group.key),
        "cells": [
            "all others" if other else group.key or UNKNOWN,
            exact(group.open),
            exact(group.closed),
            *counters,
            size("bytes_in"),
            size("bytes_out"),
            exact(group.sums.get("errors")),
            exact(group.sums.get("dropped")),
            size("send_queue"),
            delay(group.greatest.get("rtt_p99")),
            delay(group.greatest.get("queue_age")),
        ],
    }


def _condition(by: str, key: str | None) -> str:
    """Return the query-language condition that matches a group's connections.

    Args:
        by: the key of the groups.
        key: the group's value of that key; None for connections without a value.
    """
    if key is None:
        return f"{by}:null"
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'{by}:"{quoted}"'
