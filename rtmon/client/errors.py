"""Errors that a client raises, beside ProtocolError for what the server refused.

The hierarchy::

    ClientError
    ├── ClientClosed    the client is closed, or has given up; carries the close code
    ├── ConnectionLost  the connection ended before the answer came: it may be done or not
    ├── QueueFull       as much waits to be sent as may wait
    └── MessageExpired  a message waited longer than it may
"""

from __future__ import annotations

from ..errors import RtmonError

__all__ = ["ClientClosed", "ClientError", "ConnectionLost", "MessageExpired", "QueueFull"]


class ClientError(RtmonError):
    """Base of all errors that a client raises."""


class ClientClosed(ClientError):
    """The client is closed, or has given up reconnecting.

    Args:
        message: why, and what to do.
        code: the close code, or None where there was none.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ConnectionLost(ClientError):
    """The connection ended before the answer came: whether it was done is not known."""


class QueueFull(ClientError):
    """As many messages wait to be sent as may wait."""


class MessageExpired(ClientError):
    """A message waited longer than it may, and is not sent any more."""
