"""Everything that a source knows, as CSV files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..feeds import ConnectionQuery, Feed, open_feed
from ..feeds.remote import RemoteFeed
from ..monitor import Monitor
from ..sinks.csv import write_csv

__all__ = ["export"]


async def export(
    source: Monitor | Feed | str, to: str | os.PathLike[str], *, timeout: float = 10.0
) -> list[Path]:
    """Write ``samples.csv``, ``connections.csv``, ``events.csv`` and ``channels.csv``.

    Where a Socket.IO server is measured, there is ``socketio.csv`` too. A file appears under its
    name only when it is whole.

    Args:
        source: a Monitor, or the address of a server's admin listener.
        to: the folder; made if it is not there. Files in it from before are replaced.
        timeout: how long to wait for a server's answer, seconds.

    Returns:
        The files' paths.

    Raises:
        FeedError: the server did not answer in time.
        OptionError: the source cannot be watched.
        OSError: a file cannot be written.
    """
    feed = open_feed(source)
    await feed.start()
    try:
        if isinstance(feed, RemoteFeed):
            await feed.complete(timeout)
        every = ConnectionQuery(state=None, sort="opened", descending=False)
        tables: dict[str, Sequence[Any]] = {
            "samples": feed.samples(),
            "connections": feed.connections(every).rows,
            "events": feed.events(),
            "channels": feed.channels(),
        }
        if socketio := feed.socketio():
            tables["socketio"] = socketio
        return await asyncio.to_thread(_write, Path(to), tables)
    finally:
        if not isinstance(source, Feed):
            await feed.aclose()


def _write(folder: Path, tables: dict[str, Sequence[Any]]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [write_csv(folder / f"{table}.csv", table, rows) for table, rows in tables.items()]
