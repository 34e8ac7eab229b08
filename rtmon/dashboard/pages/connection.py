"""Computes the dashboard page of one connection: verdict, charts, timeline and all columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from ...errors import RtmonError
from ...feeds import query_language
from ...feeds.feed import Feed
from ...feeds.queries import DetailAnswer, DetailQuery, RowsQuery
from ...metrics.close_causes import NORMAL
from ...metrics.columns import CONNECTION, Column
from ...metrics.records import ConnectionInfo
from ...views.close_code_explanations import code_text, code_words
from ...views.connection_charts import moments_of
from ...views.connection_timeline import GROUPS, TimelineEntry, connection_timeline, frame_lines
from ...views.connection_verdict import verdict
from ...views.incident_report import APART, incident_report
from ...views.number_format import exact
from ...views.table_cells import cell
from ...views.table_rows import judge
from .table_rows import tick
from .url_parameters import choice, quoted

__all__ = ["answer"]

FORMS = ("page", "series", "json", "report")
"""Values of the URL parameter ``form``.

``page``: the page with the newest chart points; ``series``: all chart points; ``json``: the feed's
detail record; ``report``: the incident report.
"""

TAIL = 20
"""Number of newest chart points in each answer.

A browser that has missed more points requests all of them with ``form=series``.
"""

TOLD = 50
"""Maximum number of timeline entries, or :data:`TOLD_ALL` with the URL parameter ``more``."""

TOLD_ALL = 400

MARKS = 30
"""Maximum number of the connection's newest Events that are marked on its charts."""

_CODES = frozenset({"close_code", "code_sent", "code_received"})

_ENDING = frozenset({"traceback", "last_frames", "cause", "initiator", "closed"}) | {
    *_CODES,
    "reason_sent",
    "reason_received",
}
"""Columns that are null for every open connection. They are not listed as unknown."""


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the details of the connection in the URL parameters ``id`` and ``epoch``.

    The URL parameter ``form`` chooses one of :data:`FORMS`. If the feed does not know the
    connection, ``info`` is None.
    """
    query = DetailQuery(connection=asked.get("id", ""), epoch=asked.get("epoch") or None)
    found = await feed.query(query)
    now = feed.now()
    form = choice(asked, "form", FORMS, "page")
    if form == "json":
        return {"record": msgspec.to_builtins(asdict(found))}
    info = found.info
    if info is None:
        return {"info": None, "events": len(found.events), **_tick(found)}
    if form == "series":
        return {"series": _points(found, -1)}
    hub = len(feed.channels()) > 0
    judged = verdict(info, now=now, hub=hub)
    sentences = [*judged.sentences, *await _alike(feed, info)]
    judged = msgspec.structs.replace(judged, sentences=sentences)
    entries = connection_timeline(info, found, now=now, end=judged.title)
    if form == "report":
        return {"report": incident_report(info, found, judged, entries, now=now)}
    return {
        **_page(info, found, hub=hub),
        "verdict": judged,
        **_told(entries, asked),
        **_tick(found),
    }


def _tick(found: DetailAnswer) -> dict[str, Any]:
    return {"tick": tick(found.source)}


def _page(info: ConnectionInfo, found: DetailAnswer, *, hub: bool) -> dict[str, Any]:
    shown = [column for column in CONNECTION if column.name not in APART]
    return {
        "info": {
            "id": info.id,
            "name": info.name,
            "user": info.user,
            "path": info.path,
            "remote": info.remote,
            "address": query_language.address(info),
            "state": info.state,
            "code": info.close_code,
        },
        "known": [
            _known(column, value, hub=hub)
            for column in shown
            if (value := getattr(info, column.name)) is not None
        ],
        "unknown": [
            column.name
            for column in shown
            if getattr(info, column.name) is None and column.name not in _ENDING
        ],
        "traceback": info.traceback,
        "frames": frame_lines(found),
        "headers": found.headers,
        "rooms": found.rooms,
        "missing": found.missing,
        "series": _points(found, TAIL),
    }


def _points(found: DetailAnswer, newest: int) -> dict[str, list[float | None]] | None:
    if found.series is None:
        return None
    points = moments_of(found.series)
    return points if newest < 0 else {name: values[-newest:] for name, values in points.items()}


def _told(entries: Sequence[TimelineEntry], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the newest timeline entries of the requested group, and all groups' entry counts.

    Args:
        entries: all entries of the connection's timeline, newest first.
        asked: the URL parameters; ``story`` is the group, and "" or another value means all.
    """
    group = asked.get("story")
    chosen = [entry for entry in entries if entry.group == group or group not in GROUPS]
    most = TOLD_ALL if asked.get("more") else TOLD
    counts = {each: sum(entry.group == each for entry in entries) for each in GROUPS}
    return {
        "story": chosen[:most],
        "told": len(chosen),
        "counts": {"": len(entries), **counts},
        "marks": [
            {"time": round(entry.time * 1e3), "kind": entry.kind, "text": entry.text}
            for entry in entries
            if entry.group in {"events", "queue"}
        ][:MARKS],
    }


def _known(column: Column, value: Any, *, hub: bool) -> list[Any]:
    """Return a list: a column's name, its table cell, and the meaning of a close code or "".

    Args:
        column: the column.
        value: the connection's value in the column, not None.
        hub: True if close codes can be those of rtmon's hub.
    """
    if column.name in _CODES:
        mood = "soft" if judge(value) == "good" else "warn"
        return [column.name, [code_text(value, hub=hub), mood], code_words(value, hub=hub)]
    return [column.name, ["empty", "soft"] if value == "" else cell(column, value), ""]


async def _alike(feed: Feed, info: ConnectionInfo) -> list[str]:
    """Return a sentence with the number of other connections that were closed for the same cause.

    The list is empty for an open connection, a normal close, an unknown cause or address, and if a
    query fails.
    """
    address = query_language.address(info)
    if info.state == "open" or info.cause is None or info.cause in NORMAL or address is None:
        return []
    where = f'state:closed cause:"{info.cause}"'
    try:
        everywhere = await feed.query(RowsQuery(where=where, limit=0))
        there = await feed.query(RowsQuery(where=f"{where} address:{quoted(address)}", limit=0))
    except RtmonError:
        return []
    others = max(0, everywhere.total - 1)
    if not others:
        return ["No other connection in the table ended in this way."]
    ended = "1 other connection" if others == 1 else f"{exact(others)} other connections"
    near = f"{exact(max(0, there.total - 1))} of them from {address}"
    return [f"{ended} in the table ended in this way, {near}."]
