"""Channel names and channel patterns such as ``sensors.*``: parse, match and compare them."""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import ProtocolError

__all__ = ["checked_channel", "covers", "is_pattern", "matches", "overlaps"]

_CACHED = 10_000
"""Maximum number of compiled patterns in the cache."""


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern, which can match several channels.

    Raises:
        ProtocolError: the name has a star in a position where the syntax allows none.
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
    """Return whether a pattern matches a channel name.

    ``*`` matches one segment between dots. ``**`` is allowed at the end only, and matches one or
    more segments.

    Raises:
        ProtocolError: the pattern is malformed.
    """
    return _compiled(pattern).fullmatch(channel) is not None


def overlaps(one: str, other: str) -> bool:
    """Return whether at least one channel name matches both arguments.

    Each argument is a pattern, or a channel name, which matches itself.
    """
    ones, others = one.split("."), other.split(".")
    for a, b in zip(ones, others, strict=False):
        if "**" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(ones) == len(others)


def covers(pattern: str, other: str) -> bool:
    """Return whether ``pattern`` matches every channel name that ``other`` matches."""
    ones, others = pattern.split("."), other.split(".")
    for index, (a, b) in enumerate(zip(ones, others, strict=False)):
        if a == "**":
            # ``**`` matches at least one character. So it does not cover ``*`` or an empty segment
            # at the end, which can match an empty string.
            return others[index:] not in (["*"], [""])
        if b == "**" or (a not in ("*", b)):
            return False
    return len(ones) == len(others)


@lru_cache(maxsize=_CACHED)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern to a regular expression.

    Raises:
        ProtocolError: the pattern is malformed.
    """
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
                f"{pattern!r} is not a valid pattern: * matches one whole segment between dots, "
                "** at the end matches all further segments.",
            )
        else:
            parts.append(re.escape(segment))
    return re.compile(r"\.".join(parts), re.DOTALL)
