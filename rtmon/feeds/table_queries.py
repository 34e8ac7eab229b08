"""Answer queries for rows of a table, and for groups of connections."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple

from ..errors import QueryError
from ..metrics.columns import CONNECTION
from . import query_language
from .queries import (
    GROUP_KEYS,
    MOST_ROWS,
    Gap,
    Group,
    GroupAnswer,
    GroupKey,
    GroupQuery,
    Row,
    RowsAnswer,
    RowsQuery,
    Source,
)

__all__ = [
    "GREATEST",
    "SUMS",
    "Part",
    "Remembered",
    "check_slice",
    "condition_columns",
    "group_columns",
    "groups",
    "needed_columns",
    "rows",
]

SUMS: tuple[str, ...] = (
    *(column.name for column in CONNECTION if column.kind == "counter"),
    "send_queue",
)
"""Columns of the connections table that are summed over a group of connections."""

GREATEST = ("rtt", "rtt_p99", "queue_age")
"""Columns for which a group shows the maximum over its open connections."""

_state = attrgetter("state")

_KEYS: dict[GroupKey, Callable[[Any], str | None]] = {
    "path": lambda info: info.path,
    "user": lambda info: info.user,
    "address": query_language.address,
    "transport": lambda info: info.transport,
    "cause": lambda info: info.cause,
}


@dataclass(frozen=True, slots=True)
class Remembered:
    """How many records of a table a source holds, how many it has evicted, and time gaps.

    The fields are those of :class:`rtmon.feeds.queries.RowsAnswer` with the same names.
    """

    kept: int = 0
    forgotten: int | None = None
    gaps: Sequence[Gap] = ()


class Part(NamedTuple):
    """The records of a table that come from one server process (``node``) and one epoch."""

    node: str
    epoch: str
    records: Sequence[Any]


def needed_columns(query: RowsQuery) -> set[str]:
    """Return the stored columns of the connections table that :func:`rows` reads for a query.

    Raises:
        QueryError: the query is invalid.
    """
    needed = {"id", "state", *condition_columns(query)}
    if query.since is not None or query.until is not None:
        needed.update(("opened", "closed"))
    return needed


def condition_columns(query: RowsQuery) -> set[str]:
    """Return the stored columns that a query's condition and sort order read.

    Raises:
        QueryError: the query is invalid.
    """
    check_slice(query)
    columns = set(query_language.parse(query.where, query.table).columns)
    return columns.union(query_language.reads(query.table, query.sort) if query.sort else ())


def rows(
    query: RowsQuery, source: Source, table: Sequence[Part], remembered: Remembered
) -> RowsAnswer:
    """Filter, sort and slice the rows of a table.

    Args:
        query: the query.
        source: server and newest tick of the answer.
        table: records of the table, by server process and epoch.
        remembered: number of records that the source holds and has evicted.

    Raises:
        QueryError: the condition has an error, the sort column does not exist, or the offset or
            limit is out of range.
    """
    condition = query_language.parse(query.where, query.table)
    check_slice(query)
    found: list[Any] = []
    ends: list[int] = []  # For each part of the table, the index in `found` after its records.
    for part in table:
        found += condition.select(_within(query, part.records))
        ends.append(len(found))
    page = _order(query, found)[query.offset : query.offset + query.limit]
    parts = [table[bisect_right(ends, index)] for index in page]
    return RowsAnswer(
        source=source,
        table=query.table,
        rows=[
            Row(part.node, part.epoch, found[index])
            for part, index in zip(parts, page, strict=True)
        ],
        total=len(found),
        kept=remembered.kept,
        forgotten=remembered.forgotten,
        gaps=[
            gap
            for gap in remembered.gaps
            if (query.since is None or gap.until >= query.since)
            and (query.until is None or gap.since <= query.until)
        ],
    )


def check_slice(query: RowsQuery) -> None:
    """Validate the offset, limit and sort column of a query.

    Raises:
        QueryError: the offset or limit is out of range, or the sort column does not exist.
    """
    if query.offset < 0 or not 0 <= query.limit <= MOST_ROWS:
        raise QueryError(
            f"offset={query.offset!r}, limit={query.limit!r}: an offset from 0, and at most "
            f"{MOST_ROWS:,} rows"
        )
    if query.sort:
        try:
            query_language.field(query.table, query.sort)
        except KeyError:
            raise QueryError(f"sort={query.sort!r}: {query.table} have no such column") from None


_SPANS: dict[str, Callable[[Any], tuple[float, float | None]]] = {
    "connections": attrgetter("opened", "closed"),
    "events": attrgetter("time", "time"),
}
"""Table → function that returns the start time and end time of a record; None if not ended."""


def _within(query: RowsQuery, records: Sequence[Any]) -> Sequence[Any]:
    since, until, span = query.since, query.until, _SPANS.get(query.table)
    if span is None or (since is None and until is None):
        return records
    kept = []
    for record in records:
        begin, end = span(record)
        ended_before = since is not None and end is not None and end < since
        if not ended_before and (until is None or begin <= until):
            kept.append(record)
    return kept


def _order(query: RowsQuery, records: Sequence[Any]) -> Sequence[int]:
    """Return the indices of the records, sorted as the query requests."""
    if not query.sort:
        return range(len(records))
    _, read = query_language.field(query.table, query.sort)
    values = list(map(read, records))
    known = [index for index, value in enumerate(values) if value is not None]
    known.sort(key=values.__getitem__, reverse=query.descending)
    if len(known) < len(values):
        known += [index for index, value in enumerate(values) if value is None]
    return known


def group_columns(query: GroupQuery) -> set[str]:
    """Return the stored columns of the connections table that :func:`groups` reads for a query.

    Raises:
        QueryError: the query is invalid.
    """
    _check_key(query.by)
    key = query_language.reads("connections", query.by)
    return {"state", *key, *SUMS, *GREATEST, *query_language.parse(query.where).columns}


def groups(query: GroupQuery, source: Source, table: Sequence[Part]) -> GroupAnswer:
    """Group connections, and sum up the counters of each group.

    Groups with equal values in the sort column are ordered by their keys, so that all feeds return
    the same order.

    Args:
        query: the query.
        source: server and newest tick of the answer.
        table: records of the connections table, by server process and epoch.

    Raises:
        QueryError: the condition has an error, or the group key or sort column does not exist.
    """
    _check_key(query.by)
    _check_sort(query.sort)
    condition = query_language.parse(query.where)
    records = [record for part in table for record in condition.select(part.records)]
    keys = list(map(_KEYS[query.by], records))
    order = _rank(query, keys, records)
    # Only the returned groups get a list of their connections, since there may be as many groups
    # as connections.
    members: dict[str | None, list[Any]] = {key: [] for key in order[: query.limit]}
    rest: list[Any] = []
    for key, record in zip(keys, records, strict=True):
        members.get(key, rest).append(record)
    return GroupAnswer(
        source=source,
        groups=[_group(key, infos) for key, infos in members.items()],
        total=len(order),
        others=_group(None, rest) if rest else None,
    )


def _check_key(by: str) -> None:
    if by not in GROUP_KEYS:
        raise QueryError(f"by={by!r}: connections are grouped by {', '.join(GROUP_KEYS)}")


def _check_sort(sort: str) -> None:
    columns = ("open", "closed", "key", *SUMS, *GREATEST)
    if sort not in columns:
        raise QueryError(f"sort={sort!r}: groups are sorted by {', '.join(columns)}")


def _rank(
    query: GroupQuery, keys: Sequence[str | None], records: Sequence[Any]
) -> list[str | None]:
    """Return the keys of all groups, sorted as the query requests.

    Args:
        query: the query.
        keys: for each record, the key of its group.
        records: records of the connections table.
    """
    ranks = _ranks(query.sort, keys, records)
    known = set(keys)
    order: list[str | None] = [*sorted(known - {None})]  # type: ignore[type-var]
    order += [None] if None in known else []
    ranked = [key for key in order if ranks.get(key) is not None]
    ranked.sort(key=ranks.__getitem__, reverse=query.descending)
    return ranked + [key for key in order if ranks.get(key) is None]


def _ranks(sort: str, keys: Sequence[str | None], records: Sequence[Any]) -> dict[str | None, Any]:
    """Return group key → value of the group in the sort column; omit unknown values."""
    if sort == "key":
        return {key: key for key in keys}
    if sort in {"open", "closed"}:
        chosen = map(sort.__eq__, map(_state, records))
        return dict.fromkeys(keys, 0) | Counter(compress(keys, chosen))
    ranks: dict[str | None, Any] = {}
    for key, record, value in zip(keys, records, map(attrgetter(sort), records), strict=True):
        if value is None or (sort in GREATEST and record.state != "open"):
            continue
        known = ranks.get(key)
        if known is None:
            ranks[key] = value
        else:
            ranks[key] = known + value if sort in SUMS else max(known, value)
    return ranks


def _open(infos: Sequence[Any]) -> list[Any]:
    return [info for info in infos if info.state == "open"]


def _group(key: str | None, infos: Sequence[Any]) -> Group:
    still_open = _open(infos)
    return Group(
        key=key,
        open=len(still_open),
        closed=len(infos) - len(still_open),
        sums=_combined(sum, SUMS, infos),
        greatest=_combined(max, GREATEST, still_open),
    )


def _combined(
    combine: Callable[[Iterable[Any]], Any], names: Sequence[str], infos: Sequence[Any]
) -> dict[str, Any]:
    """Return, for each named column, the sum or maximum of its known values; None if all are null.

    Args:
        combine: ``sum`` or ``max``.
        names: the columns.
        infos: records of the connections table.
    """
    found = {}
    for name in names:
        values = list(map(attrgetter(name), infos))
        if None in values:
            values = [value for value in values if value is not None]
        found[name] = combine(values) if values else None
    return found
