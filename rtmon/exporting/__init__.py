"""``rtmon.export``: write the tables of a Monitor, a server or a recording to files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..errors import OptionError
from ..feeds import Feed, open_feed
from ..feeds.remote_feed import RemoteFeed
from ..metrics.redaction import KEEP_ALL, Redaction
from ..monitor import Monitor
from ..recording.dataframe_reader import Moment, seconds
from ..recording.recording_feed import RecordingFeed
from .file_formats import FORMATS, Append, Format, path_of
from .source_tables import Range, batches, checked_tables

__all__ = ["Progress", "export"]

Progress = Callable[[str, int], None]
"""Called with the name of the current table, and the number of its rows written so far."""


async def export(
    source: Monitor | Feed | str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    format: Format | Literal["rtmon"] = "csv",  # noqa: A002 - a common name for this option
    tables: tuple[str, ...] = (),
    since: Moment = None,
    until: Moment = None,
    every: Literal[1, 10, 60] | None = None,
    redaction: Redaction = KEEP_ALL,
    progress: Progress = lambda _table, _rows: None,
    timeout: float = 10.0,
    token: str | None = None,
) -> list[Path]:
    """Write a file for each table: samples, connections, events, channels.

    If a Socket.IO server is measured, there is also a file for ``socketio``. Each file is written
    under a temporary name and renamed when it is complete. When a recording is exported, at most
    20,000 rows are in memory at the same time.

    Args:
        source: a Monitor, the address of a server's admin listener, or a recording.
        to: folder for the files; created if it does not exist. Existing files of the same names are
            replaced. With ``format="rtmon"``, the path of the new file.
        format: ``csv``, ``json`` (one object per line), ``parquet``, or ``rtmon``: a copy of a
            recording, which may still be written to.
        tables: names of the tables to write; all tables if empty.
        since: begin of the range: Unix seconds, a datetime, or ISO 8601 text. None for no limit.
        until: end of the range, in the same forms.
        every: number of ticks that each row of samples covers: 1, 10 or 60. By default, the
            smallest number whose rows reach back to ``since``. For a running server, only 1 is
            possible.
        redaction: which texts to redact.
        progress: see :data:`Progress`.
        timeout: seconds to wait for a server's answer.
        token: bearer token for the server's admin listener; by default the environment variable
            ``RTMON_TOKEN``.

    Returns:
        The paths of the files.

    Raises:
        FeedError: the server did not answer in time.
        FileFormatError: the file is not a recording, or is damaged.
        MissingExtra: the format needs a package that is not installed.
        OptionError: the source or an option is invalid.
        OSError: a file cannot be read or written.
    """
    feed = open_feed(source, token=token)
    try:
        if format == "rtmon":
            if tables or since is not None or until is not None or every or redaction != KEEP_ALL:
                raise OptionError(
                    "format='rtmon' copies the whole recording: leave out tables, since, until, "
                    "every and redaction"
                )
            return [await asyncio.to_thread(_copy, feed, Path(to))]
        if format not in FORMATS:
            raise OptionError(f"format={format!r}: give csv, json, parquet or rtmon")
        chosen = checked_tables(tables)
        part = Range(since=seconds(since), until=seconds(until), every=every, redaction=redaction)
        if not isinstance(feed, RecordingFeed):
            await feed.start()
        if isinstance(feed, RemoteFeed):
            await feed.complete(timeout)
        if not tables and not feed.socketio():
            chosen = tuple(table for table in chosen if table != "socketio")
        await asyncio.to_thread(Path(to).mkdir, parents=True, exist_ok=True)
        written = []
        for table in chosen:
            opened = FORMATS[format](Path(to), table)
            rows = batches(feed, table, part)
            await asyncio.to_thread(_write, opened, rows, partial(progress, table))
            written.append(path_of(to, table, format))
        return written
    finally:
        if not isinstance(source, Feed):
            await feed.aclose()


def _write(
    opened: AbstractContextManager[Append],
    found: Iterable[list[Any]],
    progress: Callable[[int], None],
) -> None:
    rows = 0
    with opened as append:
        for batch in found:
            append(batch)
            rows += len(batch)
            progress(rows)


def _copy(feed: Feed, to: Path) -> Path:
    if not isinstance(feed, RecordingFeed):
        raise OptionError(
            "only a recording is copied as one: give its file, or record the server with "
            "rtmon record"
        )
    feed.reader.copy(to)
    return to
