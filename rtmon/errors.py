"""The exceptions that rtmon raises.

The hierarchy::

    RtmonError
    ├── OptionError         an argument or option has an invalid value (also a ValueError)
    ├── MissingExtra        an optional dependency is not installed (also an ImportError)
    ├── MonitorError        a Monitor cannot do this, such as tick on two running event loops
    ├── FeedError           a feed cannot be opened or read
    ├── QueryError          a query is invalid: its text, a column or a table (also a ValueError)
    ├── ProtocolError       a message breaks the hub's protocol; carries the code sent to the peer
    ├── PortInUse           a server cannot listen on its port (also an OSError)
    ├── FileFormatError     a file does not have a format of rtmon (also a ValueError)
    ├── WrongAnswer         a strict check of an exercise failed (also an AssertionError)
    └── ClientError         an operation of a hub's client failed: see rtmon.client.errors

Each message states what was wrong, where, and what to do about it.
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
    """Base class of all exceptions that rtmon raises."""


class OptionError(RtmonError, ValueError):
    """An argument or option has an invalid value."""


class MissingExtra(RtmonError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: the requested feature, as the start of a sentence ("The dashboard").
        package: name of the missing package.
        extra: rtmon's extra that installs the package.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed: "
            f"pip install 'rtmon[{extra}]', or in a clone pip install -e '.[{extra}]'"
        )
        self.package = package
        self.extra = extra


class MonitorError(RtmonError):
    """A Monitor cannot do what was requested, such as tick on two running event loops."""


class FeedError(RtmonError):
    """A feed cannot be opened or read, for example because the server does not answer."""


class QueryError(RtmonError, ValueError):
    """A query cannot be answered: its text is invalid, or a column or table does not exist.

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
    """A message breaks the hub's protocol, or the hub refuses it.

    Args:
        code: error code that is sent to the peer, such as ``rate_limited``.
        message: description of the problem, and what to do about it.
        retry: True if the same message may succeed later.
        retry_after: seconds to wait before sending the message again; None if unknown.
        remaining: for a rate limit, the number of messages that may be sent now.
        reset: for a rate limit, the seconds until the full burst is available again.

    An error can always be encoded as a message: lone surrogates in its text become question marks,
    and an infinite or NaN ``retry_after`` becomes None.
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
    """A server cannot listen on its address, because another socket already uses the address."""

    def __str__(self) -> str:
        return str(self.strerror)


class FileFormatError(RtmonError, ValueError):
    """A file does not have the expected format of rtmon, or it is damaged."""


class WrongAnswer(RtmonError, AssertionError):
    """A strict check of a course exercise failed: the exercise is not solved yet."""
