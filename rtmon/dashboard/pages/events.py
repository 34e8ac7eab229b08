"""Computes the dashboard page of Events, newest first, which viewers can filter and pause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...feeds.feed import Feed
from ...feeds.queries import MOST_ROWS, Row, RowsQuery
from ...metrics import close_causes
from ...metrics.records import Event
from ...views.close_code_explanations import code_text, code_words
from ...views.number_format import UNKNOWN
from ...views.table_rows import Cell, judge
from .table_rows import table_page
from .url_parameters import choice, quoted

__all__ = ["DEFAULT_COLUMNS", "KINDS", "answer"]

DEFAULT_COLUMNS = ("time", "kind", "name", "remote", "code", "detail")

KINDS: Final[Mapping[str, str]] = {
    "opened": "good",
    "closed": "soft",
    "error": "bad",
    "rejected": "bad",
    "refused": "bad",
    "slow": "warn",
    "recovered": "good",
    "dropped": "warn",
}
"""Kind of a connection's Event → colour class of its cell, in the order of the page's filter."""

CAUSES = tuple(cause for cause in close_causes.CAUSES if cause != "closed")
"""Close causes with which the detail of a ``closed`` Event can begin."""

_HTTP = frozenset({"rejected"})
"""Kinds of Events whose code is an HTTP status instead of a close code."""

_BOXED = frozenset({"closed", "error"})
"""Kinds of Events whose row can be opened to show the traceback and the last frames."""


async def answer(feed: Feed, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return one page of the table of Events.

    URL parameters: ``kind`` shows only Events of that kind. ``cause`` shows only Events of the kind
    ``closed`` with that close cause. ``since`` and ``until``, in Unix seconds, omit earlier and
    later Events. If ``until`` is given, ``newer`` in the answer is the number of later Events.
    """
    kind = asked.get("kind", "")
    cause = choice(asked, "cause", CAUSES, "")
    of_kind = " ".join(
        filter(
            None,
            (
                f"kind:{quoted(kind)}" if kind else "",
                f'kind:closed detail:"{cause},*"' if cause else "",
                "" if (since := _seconds(asked.get("since", ""))) is None else f"time>={since!r}",
            ),
        )
    )
    held = _seconds(asked.get("until", ""))
    before = "" if held is None else f"time<={held!r}"
    page = await table_page(
        feed,
        asked,
        table="events",
        default=DEFAULT_COLUMNS,
        sort="-time",
        extra=_extra,
        where=" ".join(filter(None, (of_kind, before))),
    )
    page["newer"] = 0
    if held is not None:
        words = filter(None, (asked.get("where", "").strip(), of_kind, f"time>{held!r}"))
        later = await feed.query(RowsQuery(table="events", where=" ".join(words), limit=0))
        page["newer"] = later.total
    _explain(page, await _names(feed, page["rows"]), hub=len(feed.channels()) > 0)
    return {**page, "kinds": list(KINDS), "causes": CAUSES, "newest": feed.now()}


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < 1e12 else None


def _extra(row: Row) -> dict[str, Any]:
    event: Event = row.record
    return {
        "seq": event.seq,
        "time": event.time,
        "epoch": row.epoch,
        "id": event.connection,
        "kind": event.kind,
        "code": event.code,
        "box": event.connection is not None and event.kind in _BOXED,
    }


async def _names(feed: Feed, rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return (epoch, connection id) → the connection's present name, for the Events on the page.

    A connection may get its name after it was opened. The page shows the present name for all
    Events of the connection.
    """
    wanted = {(row["epoch"], row["id"]) for row in rows if row["id"] is not None}
    if not wanted:
        return {}
    times = [row["time"] for row in rows]
    # Limit the query to connections that were open at the time of the Events. A margin of one
    # second is added, because the time of an Event can differ slightly from the connection's times.
    since, until = min(times) - 1.0, max(times) + 1.0
    query = RowsQuery(where="-name:null", since=since, until=until, limit=MOST_ROWS)
    found = await feed.query(query)
    return {
        key: row.record.name for row in found.rows if (key := (row.epoch, row.record.id)) in wanted
    }


def _explain(page: dict[str, Any], names: Mapping[tuple[str, str], str], *, hub: bool) -> None:
    """Replace the cells in the columns kind, code and name by coloured or more readable cells.

    Args:
        page: the page's answer, changed in place.
        names: (epoch, connection id) → name.
        hub: True if close codes can be those of rtmon's hub.
    """
    for row in page["rows"]:
        for at, column in enumerate(page["columns"]):
            if column == "kind":
                row["cells"][at] = [row["kind"], KINDS.get(row["kind"], "warn")]
            elif column == "code":
                row["cells"][at] = _code(row["kind"], row["code"], hub=hub)
            elif column == "name" and (name := names.get((row["epoch"], row["id"]))):
                row["cells"][at] = name
        row["meaning"] = _meaning(row["kind"], row["code"], hub=hub)


def _code(kind: str, code: int | None, *, hub: bool) -> Cell:
    if code is None:
        return [UNKNOWN, "soft"]
    if kind in _HTTP:
        return [f"HTTP {code}", "bad"]
    mood = {"good": "soft", "odd": "warn", "bad": "bad", "own": "soft"}[judge(code)]
    return [code_text(code, hub=hub), mood]


def _meaning(kind: str, code: int | None, *, hub: bool) -> str:
    if code is None or kind in _HTTP:
        return ""
    return code_words(code, hub=hub)
