"""Query the rows of a feed's table, and format them for the table of a dashboard page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ...feeds.feed import Feed
from ...feeds.queries import TABLE_COLUMNS, Row, RowsAnswer, RowsQuery, Source, Table
from ...metrics.columns import TABLES
from ...metrics.records import Sample
from ...views.number_format import UNKNOWN, exact
from ...views.table_cells import cell
from ...views.table_rows import Cell
from .url_parameters import chosen_columns, combined_condition, order, page

__all__ = ["Extra", "table_page", "tick"]

Extra = Callable[[Row], Mapping[str, Any]]
"""Returns further keys of a row besides its cells, such as the id for the row's link."""

_IDS: Final[Mapping[str, str]] = {"connections": "id", "events": "connection"}
"""Table → the column that is shown in place of the name of an unnamed connection."""

_COLUMNS: Final = {table: {c.name: c for c in columns} for table, columns in TABLES.items()}


def tick(source: Source | Sample) -> dict[str, Any]:
    """Return the epoch, number and time of the tick that an answer was computed from.

    The browser shows the answer together with the charts of the same tick.
    """
    return {"epoch": source.epoch, "seq": source.seq, "time": source.time}


async def table_page(
    feed: Feed,
    asked: Mapping[str, str],
    *,
    table: Table,
    default: Sequence[str],
    sort: str,
    extra: Extra | None = None,
    where: str = "",
) -> dict[str, Any]:
    """Return one page of a table, as the dashboard's browser code reads it.

    Args:
        feed: the feed to query.
        asked: the URL parameters ``where``, ``sort``, ``columns``, ``offset`` and ``size``.
        table: name of the table.
        default: columns to show if the viewer has not chosen any.
        sort: column to sort by if the viewer has not chosen one; a leading ``-`` means descending.
        extra: returns further keys of a row besides its cells.
        where: a condition that is combined with the viewer's condition.

    Raises:
        QueryError: the syntax of the viewer's condition is wrong.
        FeedError: the feed's server did not answer.
    """
    known = TABLE_COLUMNS[table]
    columns = chosen_columns(asked, known, default)
    column, descending = order(asked, known, sort)
    if column not in columns and not asked.get("columns"):
        columns.insert(1, column)  # the column that rows are sorted by is always shown
    offset, limit = page(asked)
    both = combined_condition(asked, table, where)
    query = RowsQuery(
        table=table,
        where=both,
        sort=column,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    answer = await feed.query(query)
    if not answer.rows and answer.total:  # the offset is past the last row: show the last page
        offset = (answer.total - 1) // limit * limit
        answer = await feed.query(replace(query, offset=offset))
    return {
        "table": table,
        "query": both,
        "columns": columns,
        "sort": ("-" if descending else "") + column,
        "rows": [_row(row, columns, table, extra) for row in answer.rows],
        "total": answer.total,
        "offset": offset,
        "size": limit,
        "forgotten": _forgotten(answer),
        "tick": tick(answer.source),
    }


def _row(row: Row, columns: Sequence[str], table: Table, extra: Extra | None) -> dict[str, Any]:
    cells = [_cell(row.record, name, table) for name in columns]
    return {"cells": cells, **(extra(row) if extra is not None else {})}


def _cell(record: Any, name: str, table: Table) -> Cell:
    value = getattr(record, name)
    if name == "name" and value is None and table in _IDS:
        return [getattr(record, _IDS[table]) or UNKNOWN, "soft"]
    return cell(_COLUMNS[table][name], value)


def _forgotten(answer: RowsAnswer) -> str:
    """Return how many rows the server has deleted: "last 10,000 remembered, 312 forgotten"."""
    if not answer.forgotten:
        return ""
    return f"last {exact(answer.kept)} remembered, {exact(answer.forgotten)} forgotten"
