"""Read the tables of a Monitor, server or recording, in batches of records, for export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError
from ..feeds.feed import ConnectionQuery, Feed
from ..metrics.records import ConnectionInfo, Event
from ..metrics.redaction import Redaction
from ..recording.query_reader import QueryReader
from ..recording.recording_feed import RecordingFeed

__all__ = ["EXPORTED", "Range", "batches", "checked_tables"]

EXPORTED = ("samples", "connections", "events", "channels", "socketio")
"""Names of the tables that can be exported."""

BATCH = 500
"""Maximum number of a recording's records in a batch. The records are freed before the garbage
collector scans them. With batches of thousands, scans take a fifth of an export's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The part of each table that is exported.

    Attributes:
        since: begin of the range in Unix seconds; None for no limit.
        until: end of the range in Unix seconds; None for no limit.
        every: number of ticks that each row of the samples table covers; None for the smallest
            number whose rows reach back to ``since``.
        redaction: which texts to redact.
    """

    since: float | None
    until: float | None
    every: int | None
    redaction: Redaction


def checked_tables(tables: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tables to export: all tables if ``tables`` is empty.

    Raises:
        OptionError: there is no table of a given name.
    """
    for table in tables:
        if table not in EXPORTED:
            raise OptionError(f"there is no table {table!r}: give {', '.join(EXPORTED)}")
    return tables or EXPORTED


def batches(feed: Feed, table: str, part: Range) -> Iterator[list[Any]]:
    """Yield the records of a table in batches, the oldest first.

    May be called on any thread.

    Raises:
        OptionError: the source has no samples that cover ``part.every`` ticks.
    """
    if isinstance(feed, RecordingFeed):
        found = _recorded(feed.reader, table, part)
    else:
        found = iter([_in_memory(feed, table, part)])
    for batch in found:
        yield batch if part.redaction.keeps_all else _redacted(table, batch, part.redaction)


def _redacted(table: str, records: list[Any], redaction: Redaction) -> list[Any]:
    if table == "connections":
        return [redaction.connection(_whole(ConnectionInfo, record)) for record in records]
    if table == "events":
        return [redaction.event(_whole(Event, record)) for record in records]
    return records


def _whole(kind: Any, record: Any) -> Any:
    """Convert a record with the columns that a recording stores to a record with all columns."""
    return record if isinstance(record, kind) else kind(**record._asdict())


def _in_memory(feed: Feed, table: str, part: Range) -> list[Any]:
    if table == "samples":
        if part.every not in {None, 1}:
            raise OptionError(
                f"every={part.every!r}: a running server is exported tick by tick; record it to "
                "have merged ones"
            )
        return [sample for sample in feed.samples() if _within(part, sample.time, sample.time)]
    if table == "events":
        return [event for event in feed.events() if _within(part, event.time, event.time)]
    if table == "connections":
        # The same order as monitor.connections(): open connections first, then closed ones.
        query = ConnectionQuery(state=None, sort="state", descending=True)
        rows = feed.connections(query).rows
        return [row for row in rows if _within(part, row.opened, row.closed)]
    return list(feed.channels() if table == "channels" else feed.socketio())


def _within(part: Range, begin: float, end: float | None) -> bool:
    after = part.since is None or end is None or end >= part.since
    return after and (part.until is None or begin <= part.until)


def _recorded(reader: QueryReader, table: str, part: Range) -> Iterator[list[Any]]:
    if table == "samples":
        yield from _samples(reader, part)
    elif table == "channels":
        epoch = reader.epoch_at(part.until)
        yield [] if epoch is None else reader.tables.channels(epoch)
    elif table == "socketio":
        epoch = reader.epoch_at(part.until)
        yield (
            [] if epoch is None else list(reader.tables.socketio(epoch, reader.source(part.until)))
        )
    else:
        yield from reader.batches(table, since=part.since, until=part.until, size=BATCH)


def _samples(reader: QueryReader, part: Range) -> Iterator[list[Any]]:
    level = part.every or reader.points.finest(part.since)
    for epoch in reader.epochs():
        after = 0
        while True:
            found = reader.points.texts(
                epoch, level=level, since=part.since, until=part.until, after=after, limit=BATCH
            )
            if not found:
                break
            after = found[-1].seq
            yield found
