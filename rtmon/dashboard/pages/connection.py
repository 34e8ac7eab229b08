"""One connection: everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...feeds.feed import Feed
from ...feeds.queries import DetailQuery
from ...metrics.columns import CONNECTION
from ...views.cells import cell
from ...views.rows import event_row

__all__ = ["answer"]


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the detail of the connection that the parameters ``id`` and ``epoch`` name."""
    found = await feed.query(
        DetailQuery(connection=asked.get("id", ""), epoch=asked.get("epoch") or None)
    )
    info = found.info
    known = (
        []
        if info is None
        else [
            [column.name, cell(column, getattr(info, column.name)), column.definition]
            for column in CONNECTION
            if getattr(info, column.name) is not None
        ]
    )
    series = found.series
    return {
        "id": asked.get("id", ""),
        "info": None if info is None else asdict(info),
        "known": known,
        "events": [[event.time, event_row(event)] for event in found.events],
        "headers": found.headers,
        "rooms": found.rooms,
        "frames": found.frames,
        "missing": dict(found.missing),
        "series": None
        if series is None
        else {
            "times": [round(time * 1e3) for time in series.times],
            "elapsed": list(series.elapsed),
            "columns": {name: list(values) for name, values in series.columns.items()},
        },
        "tick": {"epoch": found.source.epoch, "seq": found.source.seq},
    }
