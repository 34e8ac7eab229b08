"""Diagnose one connection in sentences: current problems, or which side closed it and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

from msgspec import Struct

from ..metrics.close_causes import NORMAL, Cause
from ..metrics.records import ConnectionInfo
from .close_code_explanations import CAUSE_WORDS, code_text, code_words
from .number_format import delay, duration, exact, scaled

__all__ = ["SILENT", "Verdict", "verdict"]

LATE = 1.0
"""Seconds from which the last round-trip time, or the age of the oldest byte in the send queue, is
reported as a problem."""

FAR = 0.5
"""Seconds from which the 99th percentile of round-trip times is reported as a problem."""

SILENT = 60.0
"""Seconds without traffic in either direction from which silence is reported as a problem."""

_PRIVATE = 3000
"""First close code that RFC 6455 leaves to libraries and applications. Codes from here on are
explained even if the cause of the close is known."""

Mood = Literal["good", "soft", "warn", "bad"]


class Verdict(Struct, frozen=True, kw_only=True):
    """The diagnosis of a connection.

    Attributes:
        mood: ``good``: open without problems. ``soft``: closed normally. ``warn``: open with
            problems, or closed for an unknown cause. ``bad``: closed for another cause.
        title: the diagnosis in a few words.
        sentences: the reasons. Texts that the peer sent, such as a close reason, are in quotes.
    """

    mood: Mood
    title: str
    sentences: list[str]


def verdict(info: ConnectionInfo, *, now: float, hub: bool) -> Verdict:
    """Diagnose a connection.

    Args:
        info: the connection's row in the connections table.
        now: time by the server's wall clock, Unix seconds.
        hub: True for a connection to a hub, which also sends close codes from 4000.
    """
    if info.state == "open":
        return _open(info, now)
    return _closed(info, hub=hub)


def _open(info: ConnectionInfo, now: float) -> Verdict:
    troubles = list(_troubles(info, now))
    title = f"Open for {duration(now - info.opened)}"
    if not troubles:
        return Verdict(mood="good", title=title, sentences=["Nothing is wrong with it."])
    return Verdict(mood="warn", title=title, sentences=troubles)


def _troubles(info: ConnectionInfo, now: float) -> Iterator[str]:
    if info.queue_age is not None and info.queue_age >= LATE:
        yield (
            f"{_bytes(info.send_queue)} wait for its {_peer(info)}, the oldest for "
            f"{delay(info.queue_age)}: it reads more slowly than it is sent to."
        )
    if info.dropped:
        yield f"{exact(info.dropped)} messages to it were dropped."
    if info.rtt is not None and info.rtt >= LATE:
        yield f"Its last ping took {delay(info.rtt)}."
    elif info.rtt_p99 is not None and info.rtt_p99 >= FAR:
        yield f"Its pings took up to {delay(info.rtt_p99)} (p99), the last one {delay(info.rtt)}."
    if info.errors:
        yield f"{exact(info.errors)} errors were counted on it."
    if info.last_activity is not None and now - info.last_activity >= SILENT:
        yield f"No byte went either way for {duration(now - info.last_activity)}."


def _closed(info: ConnectionInfo, *, hub: bool) -> Verdict:
    mood: Mood = "soft" if info.cause in NORMAL else "warn" if info.cause is None else "bad"
    return Verdict(mood=mood, title=_title(info), sentences=list(_end(info, hub=hub)))


def _title(info: ConnectionInfo) -> str:
    if info.initiator == "local":
        by = f"Closed by the {_measured(info)}"
    elif info.initiator == "remote":
        by = f"Closed by the {_peer(info)}"
    else:
        by = "Ended without a close frame"
    if info.cause == "closed":
        return by
    return f"{by}: {info.cause or 'the cause is not known'}"


def _end(info: ConnectionInfo, *, hub: bool) -> Iterator[str]:
    yield from _frames(info, hub=hub)
    words = CAUSE_WORDS.get(cast("Cause", info.cause))
    if words is not None and info.cause != "closed":
        yield words
    if info.traceback:
        yield f"The exception: “{info.traceback.strip().splitlines()[-1]}”."
    if info.closed is not None and info.opened:
        yield f"It was open for {duration(info.closed - info.opened)}."
    if info.send_queue:
        yield f"{_bytes(info.send_queue)} still waited to be sent."
    if info.dropped:
        yield f"{exact(info.dropped)} messages to it were dropped."
    if info.rtt is not None:
        yield f"Its last answered ping took {delay(info.rtt)}."


def _frames(info: ConnectionInfo, *, hub: bool) -> Iterator[str]:
    """Yield sentences about the close frames: who sent the first, the answer, the close code."""
    sent = _said(info.code_sent, info.reason_sent, hub=hub)
    received = _said(info.code_received, info.reason_received, hub=hub)
    if info.initiator == "local" and sent:
        answer = f", and was answered with {received}" if received else ", and got no answer"
        yield f"The {_measured(info)} sent the first close frame, {sent}{answer}."
    elif info.initiator == "remote" and received:
        yield f"The {_peer(info)} sent the first close frame, {received}."
    elif info.close_code is not None:
        counted = code_text(info.close_code, hub=hub)
        yield f"Neither side sent a close frame, which counts as {counted}."
    code = info.code_sent if info.initiator == "local" else info.code_received
    if code is not None and (info.cause in {None, "closed"} or code >= _PRIVATE):
        yield code_words(code, hub=hub and info.initiator == "local")


def _said(code: int | None, reason: str | None, *, hub: bool) -> str:
    if code is None:
        return ""
    return code_text(code, hub=hub) + (f" “{reason}”" if reason else "")


def _measured(info: ConnectionInfo) -> str:
    return "client" if info.role == "client" else "server"


def _peer(info: ConnectionInfo) -> str:
    return "server" if info.role == "client" else "client"


def _bytes(size: int | None) -> str:
    return " ".join(scaled(size, "B"))
