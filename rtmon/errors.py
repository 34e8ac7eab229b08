"""The exceptions of rtmon.

The hierarchy::

    RtmonError
    ├── OptionError         a value given to rtmon is wrong (also a ValueError)
    ├── MissingExtra        an optional dependency is not installed (also an ImportError)
    ├── MonitorError        the Monitor cannot do this here, such as tick on a second live loop
    ├── FeedError           a feed cannot be opened or read
    ├── QueryError          a query cannot be answered: its text or a column is wrong
    ├── ProtocolError       a message breaks the hub's protocol; carries the code sent to the peer
    ├── PortInUse           a listener could not bind (also an OSError)
    ├── FileFormatError     a file is not what rtmon writes (also a ValueError)
    ├── WrongAnswer         a strict check of an exercise failed (also an AssertionError)
    └── ClientError         a client of the hub cannot do it: see rtmon.client.errors

Each message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

import math

__all__ = [
    "FeedError",
    "FileFormatError",
    "MissingExtra",
    "MonitorError",
    "OptionError",
    "PortInUse",
    "ProtocolError",
    "QueryError",
    "RtmonError",
    "WrongAnswer",
]


class RtmonError(Exception):
    """Base class of all errors of rtmon."""


class OptionError(RtmonError, ValueError):
    """A value given to rtmon is wrong."""


class MissingExtra(RtmonError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: the requested feature, as the start of a sentence ("The dashboard").
        package: the package that is missing.
        extra: rtmon's extra that installs it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed: "
            f"pip install 'rtmon[{extra}]', or in a clone pip install -e '.[{extra}]'"
        )
        self.package = package
        self.extra = extra


class MonitorError(RtmonError):
    """A Monitor cannot do this here or now."""


class FeedError(RtmonError):
    """A feed cannot be opened or read."""


class QueryError(RtmonError, ValueError):
    """A query cannot be answered: its text has an error, or it names unknown columns or tables.

    Args:
        problem: what is wrong and what to do about it.
        text: the text of the query; empty if the error is not in its text.
        position: index in ``text`` of the character at which the error begins.
    """

    def __init__(self, problem: str, *, text: str = "", position: int = 0) -> None:
        shown = f"{problem}\n  {text}\n  {' ' * position}^" if text else problem
        super().__init__(shown)
        self.problem = problem
        self.text = text
        self.position = position


class ProtocolError(RtmonError):
    """A message breaks the hub's protocol.

    Args:
        code: the error code sent to the peer.
        message: the problem, and what to do about it.
        retry: True if the same message may succeed later.
        retry_after: minimum seconds until a retry, if known.
        remaining: for a rate limit: messages that may be sent now.
        reset: for a rate limit: seconds until the full burst is available again.

    Every error can be encoded: lone surrogates in the message become question marks, and an invalid
    ``retry_after`` becomes None.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry: bool = False,
        retry_after: float | None = None,
        remaining: int | None = None,
        reset: float | None = None,
    ) -> None:
        code, message = (str(text).encode(errors="replace").decode() for text in (code, message))
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry
        self.remaining = remaining
        self.reset = reset
        self.retry_after = (
            None if retry_after is None or not math.isfinite(retry_after) else float(retry_after)
        )


class PortInUse(RtmonError, OSError):
    """A listener could not bind, because another socket listens on its address."""

    def __str__(self) -> str:
        return str(self.strerror)


class FileFormatError(RtmonError, ValueError):
    """A file is not what rtmon writes."""


class WrongAnswer(RtmonError, AssertionError):
    """A strict check found that an exercise of the course is not done."""
