"""Queries one page of rows of any feed table, and formats the rows for the browser's table."""

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
"""Function that returns a row's data besides its cells, such as the id for the row's link."""

_IDS: Final[Mapping[str, str]] = {"connections": "id", "events": "connection"}
"""Table → column with the connection id, which is shown if the connection has no name."""

_COLUMNS: Final = {table: {c.name: c for c in columns} for table, columns in TABLES.items()}


def tick(source: Source | Sample) -> dict[str, Any]:
    """Return the epoch, number and time of the tick that an answer's data comes from.

    With these values, the browser shows the answer together with the update of the same tick.
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
    """Return one page of a feed's table.

    Args:
        feed: the feed to query.
        asked: the URL parameters ``where``, ``sort``, ``columns``, ``offset`` and ``size``.
        table: the table's name.
        default: the columns to show if the viewer has not chosen any.
        sort: the order if the viewer has not chosen one: a column's name, with the prefix ``-``
            for descending order.
        extra: returns a row's data besides its cells.
        where: a condition that rows must match in addition to the viewer's.

    Raises:
        QueryError: the viewer's condition is invalid.
        FeedError: the feed's source did not answer.
    """
    known = TABLE_COLUMNS[table]
    columns = chosen_columns(asked, known, default)
    column, descending = order(asked, known, sort)
    if column not in columns and not asked.get("columns"):
        columns.insert(1, column)  # always show the column that the rows are sorted by
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
    if not answer.rows and answer.total:  # the offset exceeds the total: show the last page
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
    """Return a text: how many records the source has kept and deleted; "" if none was deleted.

    Example: "last 10,000 remembered, 312 forgotten".
    """
    if not answer.forgotten:
        return ""
    return f"last {exact(answer.kept)} remembered, {exact(answer.forgotten)} forgotten"
