"""Answers about tables of records: rows that meet a condition, and groups of connections. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import QueryError
from ..metrics.columns import CONNECTION
from . import conditions
from .queries import (
    GROUP_KEYS,
    MOST_ROWS,
    Group,
    GroupAnswer,
    GroupKey,
    GroupQuery,
    Row,
    RowsAnswer,
    RowsQuery,
    Source,
)

__all__ = ["GREATEST", "SUMS", "Remembered", "check_slice", "groups", "rows"]

SUMS: tuple[str, ...] = (
    *(column.name for column in CONNECTION if column.kind == "counter"),
    "send_queue",
)
"""Columns that a group adds up."""

GREATEST = ("rtt", "queue_age")
"""Columns of which a group has the greatest value among its open connections."""

_KEYS: dict[GroupKey, Callable[[Any], str | None]] = {
    "path": lambda info: info.path,
    "user": lambda info: info.user,
    "address": conditions.address,
    "transport": lambda info: info.transport,
}


@dataclass(frozen=True, slots=True)
class Remembered:
    """How much a source remembers of a table: see :class:`rtmon.feeds.queries.RowsAnswer`."""

    kept: int = 0
    forgotten: int | None = None


def rows(
    query: RowsQuery, source: Source, table: Iterable[Row], remembered: Remembered
) -> RowsAnswer:
    """Filter, sort and cut the rows of a table.

    Raises:
        QueryError: the condition has an error, there is no such column to sort by, or the
            offset or limit is out of range.
    """
    holds = conditions.parse(query.where, query.table)
    check_slice(query)
    kept = [row for row in table if holds(row.record) and _within(query, row.record)]
    if query.sort:
        kept = _sorted(kept, query)
    chosen = kept[query.offset : query.offset + query.limit]
    return RowsAnswer(
        source=source,
        table=query.table,
        rows=chosen,
        total=len(kept),
        kept=remembered.kept,
        forgotten=remembered.forgotten,
    )


def check_slice(query: RowsQuery) -> None:
    """Check offset, limit and sort column of a query.

    Raises:
        QueryError: one of them is wrong.
    """
    if query.offset < 0 or not 0 <= query.limit <= MOST_ROWS:
        raise QueryError(
            f"offset={query.offset!r}, limit={query.limit!r}: an offset from 0, and at most "
            f"{MOST_ROWS:,} rows"
        )
    if query.sort:
        try:
            conditions.field(query.table, query.sort)
        except KeyError:
            raise QueryError(f"sort={query.sort!r}: {query.table} have no such column") from None


def _within(query: RowsQuery, record: Any) -> bool:
    if query.table == "connections":
        begin, end = record.opened, record.closed
    elif query.table == "events":
        begin = end = record.time
    else:
        return True
    ended_before = query.since is not None and end is not None and end < query.since
    return not ended_before and (query.until is None or begin <= query.until)


def _sorted(table: Sequence[Row], query: RowsQuery) -> list[Row]:
    _, read = conditions.field(query.table, query.sort)
    known: list[tuple[Any, Row]] = []
    unknown: list[Row] = []
    for row in table:
        value = read(row.record)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=_first, reverse=query.descending)
    return [row for _, row in known] + unknown


def _first(pair: tuple[Any, Row]) -> Any:
    return pair[0]


def groups(query: GroupQuery, source: Source, table: Iterable[Row]) -> GroupAnswer:
    """Group connections and add up their counters.

    Raises:
        QueryError: the condition has an error, or there is no such key or column to sort by.
    """
    if query.by not in GROUP_KEYS:
        raise QueryError(f"by={query.by!r}: connections are grouped by {', '.join(GROUP_KEYS)}")
    rank = _rank(query.sort)
    holds, key = conditions.parse(query.where), _KEYS[query.by]
    members: dict[str | None, list[Any]] = {}
    for row in table:
        if holds(row.record):
            members.setdefault(key(row.record), []).append(row.record)
    made = [_group(name, infos) for name, infos in members.items()]
    known = [group for group in made if rank(group) is not None]
    known.sort(key=rank, reverse=query.descending)
    made = known + [group for group in made if rank(group) is None]
    rest = [info for group in made[query.limit :] for info in members[group.key]]
    return GroupAnswer(
        source=source,
        groups=made[: query.limit],
        total=len(made),
        others=_group(None, rest) if rest else None,
    )


def _rank(sort: str) -> Callable[[Group], Any]:
    if sort in {"open", "closed", "key"}:
        return lambda group: getattr(group, sort)
    if sort in SUMS:
        return lambda group: group.sums[sort]
    if sort in GREATEST:
        return lambda group: group.greatest[sort]
    known = ", ".join(("open", "closed", "key", *SUMS, *GREATEST))
    raise QueryError(f"sort={sort!r}: groups are sorted by {known}")


def _group(key: str | None, infos: Sequence[Any]) -> Group:
    still_open = [info for info in infos if info.state == "open"]
    return Group(
        key=key,
        open=len(still_open),
        closed=len(infos) - len(still_open),
        sums={name: _known(sum, infos, name) for name in SUMS},
        greatest={name: _known(max, still_open, name) for name in GREATEST},
    )


def _known(combine: Callable[[list[Any]], Any], infos: Sequence[Any], name: str) -> Any:
    values = [value for info in infos if (value := getattr(info, name)) is not None]
    return combine(values) if values else None
