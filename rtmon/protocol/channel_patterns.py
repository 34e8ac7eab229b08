"""Channel names and patterns: which channels a subscription gets. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import ProtocolError

__all__ = ["checked_channel", "covers", "is_pattern", "matches", "overlaps"]

_CACHED = 10_000
"""Compiled patterns that are kept."""


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern for several channels.

    Raises:
        ProtocolError: a star stands where the syntax allows none.
    """
    if "*" not in name:
        return False
    _compiled(name)
    return True


def checked_channel(name: str) -> str:
    """Return the name of a single channel unchanged.

    Raises:
        ProtocolError: the name is a pattern.
    """
    if is_pattern(name):
        raise ProtocolError("invalid_channel", f"{name!r} is a pattern: name one channel.")
    return name


def matches(pattern: str, channel: str) -> bool:
    """Return whether a pattern matches a channel.

    ``*`` stands for one segment between dots, ``**`` at the end for one or more.

    Raises:
        ProtocolError: the pattern is malformed.
    """
    return _compiled(pattern).fullmatch(channel) is not None


def overlaps(one: str, other: str) -> bool:
    """Return whether some channel matches both patterns; either may be a plain channel name."""
    ones, others = one.split("."), other.split(".")
    for a, b in zip(ones, others, strict=False):
        if "**" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(ones) == len(others)


def covers(pattern: str, other: str) -> bool:
    """Return whether a pattern matches every channel that the other one matches."""
    ones, others = pattern.split("."), other.split(".")
    for index, (a, b) in enumerate(zip(ones, others, strict=False)):
        if a == "**":
            # ** matches at least one character; * and an empty segment can match none.
            return others[index:] not in (["*"], [""])
        if b == "**" or (a not in ("*", b)):
            return False
    return len(ones) == len(others)


@lru_cache(maxsize=_CACHED)
def _compiled(pattern: str) -> re.Pattern[str]:
    segments = pattern.split(".")
    parts = []
    for index, segment in enumerate(segments):
        if segment == "*":
            parts.append(r"[^.]*")
        elif segment == "**" and index == len(segments) - 1:
            parts.append(r".+")
        elif "*" in segment:
            raise ProtocolError(
                "invalid_channel",
                f"{pattern!r} is no pattern: * stands for a whole segment between dots, ** for "
                "all further ones at the end.",
            )
        else:
            parts.append(re.escape(segment))
    return re.compile(r"\.".join(parts), re.DOTALL)
