"""Write an incident report about one connection as Markdown, for a ticket or a chat message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..feeds.queries import DetailAnswer
from ..metrics.columns import CONNECTION
from ..metrics.records import ConnectionInfo
from .connection_timeline import TimelineEntry, frame_lines
from .connection_verdict import Verdict
from .table_cells import TITLES, cell

__all__ = ["code", "escape", "fenced", "incident_report"]

TOLD = 40
"""Maximum number of timeline entries in a report; older entries are only counted."""

APART = frozenset({"traceback", "last_frames"})
"""Columns of the connections table that have their own section, below the report's table."""

_JOINER = "\u2060"
"""U+2060 WORD JOINER, a zero-width character. Put after ``@`` or ``:``, it keeps Markdown renderers
from turning the text into a mention or a link."""

_MARKUP = re.compile(r"[\\`*_\[\]|~!#]")


def escape(text: str) -> str:
    """Escape untrusted text as one line of Markdown without markup, HTML, links or mentions."""
    plain = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _MARKUP.sub(lambda match: "\\" + match[0], plain)
    plain = re.sub(r"(?<=[@:])(?=[\w/])", _JOINER, plain)
    return re.sub(r"\bwww\.", f"www{_JOINER}.", plain, flags=re.IGNORECASE)


def code(text: str) -> str:
    """Put untrusted text into a Markdown code span that is also safe in a table cell."""
    line = _one_line(text).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`" if line else "–"


def fenced(text: str) -> str:
    """Put untrusted text into a Markdown code block, which the text itself cannot end.

    The fence of the block is longer than any run of fence characters in the text.
    """
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def incident_report(
    info: ConnectionInfo,
    found: DetailAnswer,
    verdict: Verdict,
    entries: Sequence[TimelineEntry],
    *,
    now: float,
) -> str:
    """Write the incident report of a connection as Markdown; times are UTC.

    Args:
        info: the connection's row in the connections table.
        found: the feed's answer to the query for the connection's details.
        verdict: the diagnosis of the connection.
        entries: the connection's timeline, newest entry first.
        now: time by the server's wall clock, Unix seconds.
    """
    source = found.source
    name = info.name if info.name is not None else info.id
    lines = [
        f"## Connection {escape(name)} ({code(info.id)})",
        "",
        f"**{escape(verdict.title)}.** {escape(' '.join(verdict.sentences))}",
        "",
        f"As of {_utc(now)}; node {code(source.node)}, epoch {code(source.epoch)}.",
        "",
        *_known(info, found),
        "",
        "### Story, newest first",
        "",
        *_told(entries),
        *_appendix(info, found),
        "",
    ]
    return "\n".join(lines)


def _known(info: ConnectionInfo, found: DetailAnswer) -> Iterator[str]:
    yield "| Known | Value |"
    yield "| --- | --- |"
    for column in CONNECTION:
        value = getattr(info, column.name)
        if value is None or column.name in APART:
            continue
        title = TITLES.get(column.name) or column.name.replace("_", " ").capitalize()
        shown = cell(column, value)
        text = shown if isinstance(shown, str) else shown[0]
        yield f"| {title} | {code(_utc(value) if column.kind == 'time' else text)} |"
    if found.rooms is not None:
        yield f"| Channels and rooms | {' '.join(map(code, found.rooms)) or 'none'} |"
    for part, why in found.missing.items():
        yield f"| {part.capitalize()} | not known: {escape(why)} |"


def _told(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    for entry in entries[:TOLD]:
        note = f" ({entry.note})" if entry.note else ""
        yield f"* {_utc(entry.time)} **{escape(entry.kind)}** {escape(entry.text)}{note}"
    if len(entries) > TOLD:
        yield f"* and {len(entries) - TOLD} more before"


def _appendix(info: ConnectionInfo, found: DetailAnswer) -> Iterator[str]:
    if info.traceback:
        yield from ("", "### Traceback", "", fenced(info.traceback))
    if frames := frame_lines(found):
        yield from ("", "### Last frames: seconds before the end, direction, opcode, bytes", "")
        yield fenced("\n".join(frames))
    if found.headers is not None:
        lines = "\n".join(f"{header}: {value}" for header, value in found.headers)
        yield from ("", "### Request headers", "", fenced(lines))


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
