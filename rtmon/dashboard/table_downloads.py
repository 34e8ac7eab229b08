"""Writes dashboard tables as CSV or JSON files, with all rows that match the viewer's query."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ..errors import QueryError
from ..feeds.feed import Feed
from ..feeds.queries import (
    MOST_ROWS,
    TABLE_COLUMNS,
    GroupKey,
    GroupQuery,
    RowsQuery,
    Source,
    Table,
)
from ..metrics import csv_text
from ..metrics.column import Column, integer, text
from ..metrics.columns import TABLES
from ..metrics.histogram import plain

__all__ = ["FileRequest", "file_of"]

MOST_GROUPS = 1000
"""Maximum number of groups in a file. The remaining groups are summed up in one row."""


class FileRequest(msgspec.Struct, kw_only=True):
    """A viewer's request for a table as a file.

    Attributes:
        format: the file format.
        table: the table's name.
        where: a condition in rtmon's query language; "" for all rows.
        sort: the column to sort by, with the prefix ``-`` for descending order; "" for the
            order of the source.
        columns: the names of the columns, in order; empty for all columns.
        by: the key to group connections by; None for one row per connection or other record.
        at: for a recording, the time to show, in Unix seconds; None for the recording's end.
    """

    format: Literal["csv", "json"] = "csv"
    table: Table
    where: str = ""
    sort: str = ""
    columns: list[str] = []
    by: GroupKey | None = None
    at: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Content:
    """The columns and rows to write to a file.

    Attributes:
        columns: the columns.
        rows: the rows, each with one value per column.
        total: number of rows that match the query; the file may contain fewer.
        source: the node and tick that the rows come from.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: int
    source: Source


async def file_of(feed: Feed, asked: FileRequest) -> tuple[str, bytes]:
    """Return the name and the content of the file for a viewer's request.

    Raises:
        QueryError: the condition is invalid, or the feed has no such table or column.
        FeedError: the feed's source did not answer.
    """
    content = await (_rows(feed, asked) if asked.by is None else _groups(feed, asked, asked.by))
    write: Callable[[_Content, FileRequest], bytes] = _csv if asked.format == "csv" else _json
    # Write in a thread: 50,000 rows would block the event loop, which also updates open pages.
    return _name(content, asked), await asyncio.to_thread(write, content, asked)


async def _rows(feed: Feed, asked: FileRequest) -> _Content:
    known = {column.name: column for column in TABLES[asked.table]}
    unknown = [name for name in asked.columns if name not in TABLE_COLUMNS[asked.table]]
    if unknown:
        raise QueryError(f"{asked.table} have no column {unknown[0]!r}")
    names = asked.columns or TABLE_COLUMNS[asked.table]
    answer = await feed.query(
        RowsQuery(
            table=asked.table,
            where=asked.where,
            sort=asked.sort.removeprefix("-"),
            descending=asked.sort.startswith("-"),
            limit=MOST_ROWS,
        )
    )
    return _Content(
        columns=[known[name] for name in names],
        rows=[[getattr(row.record, name) for name in names] for row in answer.rows],
        total=answer.total,
        source=answer.source,
    )


async def _groups(feed: Feed, asked: FileRequest, by: GroupKey) -> _Content:
    answer = await feed.query(
        GroupQuery(
            by=by,
            where=asked.where,
            sort=asked.sort.removeprefix("-") or "open",
            descending=asked.sort.startswith("-"),
            limit=MOST_GROUPS,
        )
    )
    groups = [*answer.groups, *([answer.others] if answer.others is not None else [])]
    sums = list(groups[0].sums) if groups else []
    greatest = list(groups[0].greatest) if groups else []
    known = {column.name: column for column in TABLES["connections"]}
    return _Content(
        columns=[
            text(by, "Value that the group's connections share; null if they have none."),
            integer("open", "connections", "Connections that are open."),
            integer("closed", "connections", "Connections that are closed and still kept."),
            *(known[name] for name in (*sums, *greatest)),
        ],
        rows=[
            [
                "all others" if group is answer.others else group.key,
                *(group.open, group.closed),
                *(group.sums[name] for name in sums),
                *(group.greatest[name] for name in greatest),
            ]
            for group in groups
        ],
        total=answer.total,
        source=answer.source,
    )


def _csv(content: _Content, _asked: FileRequest) -> bytes:
    return "".join(csv_text.chosen(content.columns, content.rows)).encode()


def _json(content: _Content, asked: FileRequest) -> bytes:
    names = [column.name for column in content.columns]
    return msgspec.json.encode(
        {
            "table": asked.table,
            "where": asked.where,
            "sort": asked.sort,
            "by": asked.by,
            "node": content.source.node,
            "epoch": content.source.epoch,
            "seq": content.source.seq,
            "time": content.source.time,
            "total": content.total,
            "columns": [
                {"name": column.name, "unit": column.unit, "definition": column.definition}
                for column in content.columns
            ],
            "rows": [dict(zip(names, map(plain, row), strict=True)) for row in content.rows],
        }
    )


def _name(content: _Content, asked: FileRequest) -> str:
    """Return a file name made of the node's name, the table's name and the time of the rows.

    Characters of the node's name other than ASCII letters and digits are replaced by ``-``.
    """
    node = re.sub(r"[^A-Za-z0-9]+", "-", content.source.node).strip("-")[:40]
    when = datetime.fromtimestamp(content.source.time, UTC).strftime("%Y%m%dT%H%M%SZ")
    what = asked.table if asked.by is None else f"{asked.table}-by-{asked.by}"
    cut = (
        f"first-{len(content.rows)}"
        if asked.by is None and len(content.rows) < content.total
        else ""
    )
    return "-".join(filter(None, ("rtmon", node, what, cut, when))) + f".{asked.format}"
