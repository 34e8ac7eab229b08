"""Timeline of one connection: its handshake, pings, send queue, frames, Events and close."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from ..feeds.queries import DetailAnswer, SeriesAnswer
from ..metrics.records import ConnectionInfo, Event
from .number_format import delay, exact, scaled

__all__ = ["GROUPS", "Group", "TimelineEntry", "connection_timeline", "frame_lines"]

Group = Literal["frames", "pings", "queue", "events"]

GROUPS: tuple[Group, ...] = ("frames", "pings", "queue", "events")
"""Groups of timeline entries; the connection's page can filter the timeline by group."""

_FRAME = re.compile(
    r"""(?P<at>-?\d+\.\d+)[ ](?P<way>in|out)[ ](?P<what>[a-z]+(?:[ ]\d+)?)[ ](?P<size>\d+)
        (?P<payload>[ ]b['"].*)?""",
    re.VERBOSE | re.DOTALL,
)
"""Format of one recorded frame in a connection's ``last_frames`` text.

Time in seconds relative to the connection's end, direction, opcode, size in bytes, and the payload
if payloads are kept.
"""

_OWN = frozenset({"opened", "closed"})
"""Kinds of Events without an entry: the entries for handshake and end show the same, and more."""

_QUEUE = frozenset({"slow", "recovered", "dropped"})
_BAD = frozenset({"error", "rejected", "refused"})


class TimelineEntry(Struct, frozen=True, kw_only=True):
    """An entry of a connection's timeline.

    Attributes:
        time: when it happened, Unix seconds.
        group: the group for filtering. Handshake and end belong to ``events``.
        kind: the kind of entry in one word, such as ``ping``.
        text: the description.
        note: a detail such as a size or a close code; "" if there is none.
        mood: style of the entry: ``good``, ``soft`` (less important), ``warn``, ``bad``, or "".
    """

    time: float
    group: Group
    kind: str
    text: str
    note: str = ""
    mood: str = ""


def connection_timeline(
    info: ConnectionInfo, found: DetailAnswer, *, now: float, end: str
) -> list[TimelineEntry]:
    """Return the timeline of a connection, newest entry first.

    Args:
        info: the connection's row in the connections table.
        found: the feed's answer to the query for the connection's details.
        now: time of that answer by the server's wall clock, Unix seconds.
        end: text that says how the connection ended; not used while the connection is open.
    """
    entries = [*_handshake(info), *_events(found.events)]
    if found.series is not None:
        entries += [*_pings(found.series), *_waits(found.series)]
    last = info.closed if info.closed is not None else now
    entries += _frames(frame_lines(found), last)
    entries.sort(key=lambda entry: entry.time)  # stable: equal times keep their order
    if info.closed is not None:
        mood = "soft" if info.cause == "closed" else "bad"
        entries.append(
            TimelineEntry(time=info.closed, group="events", kind="end", text=end, mood=mood)
        )
    return entries[::-1]


def frame_lines(found: DetailAnswer) -> list[str]:
    """Return the last recorded frames of a connection, oldest first, one text line each."""
    if found.frames is not None:
        pieces: Sequence[str] = found.frames
    elif found.info is not None and found.info.last_frames is not None:
        pieces = found.info.last_frames.split("; ")
    else:
        return []
    lines: list[str] = []
    for piece in pieces:
        if lines and not _FRAME.fullmatch(piece):  # the payload contains "; "
            lines[-1] += f"; {piece}"
        else:
            lines.append(piece)
    return lines


def _handshake(info: ConnectionInfo) -> Iterator[TimelineEntry]:
    if not info.opened:
        return
    words = [info.path, info.transport, info.tls or "no TLS", info.subprotocol]
    from_ = f"from {info.remote}" if info.remote else None
    text = " · ".join(filter(None, (*words, from_, info.user_agent)))
    yield TimelineEntry(time=info.opened, group="events", kind="handshake", text=text, mood="good")


def _events(events: Sequence[Event]) -> Iterator[TimelineEntry]:
    for event in events:
        if event.kind in _OWN:
            continue
        yield TimelineEntry(
            time=event.time,
            group="queue" if event.kind in _QUEUE else "events",
            kind=event.kind,
            text=event.detail or "",
            note="" if event.code is None else str(event.code),
            mood="bad" if event.kind in _BAD else "warn",
        )


def _pings(series: SeriesAnswer) -> Iterator[TimelineEntry]:
    """Yield an entry for each tick in which the round-trip time changed.

    The round-trip time changes when a ping has been answered.
    """
    rtts = series.columns.get("rtt", ())
    before = None
    for time, rtt in zip(series.times, rtts, strict=False):
        if rtt is not None and rtt != before:
            mood = "warn" if rtt >= 1 else ""
            yield TimelineEntry(
                time=time,
                group="pings",
                kind="ping",
                text=f"answered after {delay(rtt)}",
                mood=mood,
            )
            before = rtt


def _waits(series: SeriesAnswer) -> Iterator[TimelineEntry]:
    """Yield an entry for each run of consecutive ticks in which bytes waited in the send queue."""
    ages = series.columns.get("queue_age", [None] * len(series))
    queues = series.columns.get("send_queue", ())
    run: list[tuple[float, float, float | None]] = []
    for time, size, age in [*zip(series.times, queues, ages, strict=False), (0.0, None, None)]:
        if size:
            run.append((time, size, age))
            continue
        if run:
            yield _wait(run, over=time > 0)
        run = []


def _wait(run: Sequence[tuple[float, float, float | None]], *, over: bool) -> TimelineEntry:
    most = " ".join(scaled(max(size for _, size, _ in run), "B"))
    oldest = max((age for _, _, age in run if age is not None), default=None)
    text = f"up to {most} waited to be sent" if over else f"{most} wait to be sent, at most"
    if oldest is not None:
        text += f", the oldest for {delay(oldest)}"
    ticks = f"{exact(len(run))} ticks" if len(run) > 1 else ""
    mood = "warn" if oldest is not None and oldest >= 1 else ""
    return TimelineEntry(
        time=run[-1][0], group="queue", kind="wait", text=text, note=ticks, mood=mood
    )


def _frames(lines: Sequence[str], end: float) -> Iterator[TimelineEntry]:
    for line in lines:
        match = _FRAME.fullmatch(line)
        if match is None:
            continue
        payload = (match["payload"] or "").strip()
        yield TimelineEntry(
            time=end + float(match["at"]),
            group="frames",
            kind=match["way"],
            text=f"{match['what']} {payload}".strip(),
            note=f"{exact(int(match['size']))} B",
        )
