"""A verdict on one connection in words: its condition, or which side ended it and why."""

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
"""Seconds above which a round trip, or the age of the oldest queued byte, is mentioned."""

FAR = 0.5
"""Seconds above which the p99 of round trips is mentioned."""

SILENT = 60.0
"""Seconds without traffic in either direction after which that is mentioned."""

_PRIVATE = 3000
"""First close code that RFC 6455 leaves to libraries and applications; such codes are explained
even if the cause is known."""

Mood = Literal["good", "soft", "warn", "bad"]


class Verdict(Struct, frozen=True, kw_only=True):
    """A verdict on a connection.

    Attributes:
        mood: good, soft (nothing of note), warn or bad.
        title: the verdict in a few words.
        sentences: the reasons; texts of the peer are quoted.
    """

    mood: Mood
    title: str
    sentences: list[str]


def verdict(info: ConnectionInfo, *, now: float, hub: bool) -> Verdict:
    """Judge a connection.

    Args:
        info: its row in the connections table.
        now: the server's wall clock.
        hub: True for a connection of a hub, which has close codes of its own.
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
    """Describe which side sent the first close frame, and the other's answer."""
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
