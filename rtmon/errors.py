"""Everything rtmon raises on purpose.

The hierarchy::

    RtmonError
    ├── OptionError         a value given to rtmon is wrong (also a ValueError)
    ├── MissingExtra        an optional dependency is not installed (also an ImportError)
    ├── MonitorError        the Monitor cannot do this here, such as tick on a second live loop
    ├── FeedError           a feed cannot be opened or read
    ├── ProtocolError       a message breaks the hub's protocol; carries the code sent to the peer
    ├── PortInUse           a listener could not bind (also an OSError)
    ├── FileFormatError     a file is not what rtmon writes (also a ValueError)
    ├── WrongAnswer         a strict check of an exercise failed (also an AssertionError)
    └── ClientError         a client of the hub cannot do it: see rtmon.client.errors

Each message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

__all__ = [
    "FeedError",
    "FileFormatError",
    "MissingExtra",
    "MonitorError",
    "OptionError",
    "PortInUse",
    "ProtocolError",
    "RtmonError",
    "WrongAnswer",
]


class RtmonError(Exception):
    """The root of all errors that rtmon raises on purpose."""


class OptionError(RtmonError, ValueError):
    """A value given to rtmon is wrong."""


class MissingExtra(RtmonError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: what was asked for, as the start of a sentence ("The dashboard").
        package: the package that is missing.
        extra: rtmon's extra that brings it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed: "
            f"pip install 'rtmon[{extra}]'"
        )
        self.package = package
        self.extra = extra


class MonitorError(RtmonError):
    """A Monitor cannot do what was asked, here and now."""


class FeedError(RtmonError):
    """A feed cannot be opened or read."""


class ProtocolError(RtmonError):
    """A message breaks the hub's protocol.

    Args:
        code: the error code that the peer is told.
        message: what was wrong and what to do about it.
        retry: whether the same message may succeed later.
        retry_after: in how many seconds at the earliest, if that is known.
    """

    def __init__(
        self, code: str, message: str, *, retry: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry
        self.retry_after = retry_after


class PortInUse(RtmonError, OSError):
    """A listener could not bind, because somebody else listens on its address."""

    def __str__(self) -> str:
        return str(self.strerror)


class FileFormatError(RtmonError, ValueError):
    """A file is not what rtmon writes."""


class WrongAnswer(RtmonError, AssertionError):
    """A strict check found that an exercise of the course is not done."""
