"""Errors that a client raises, beside ProtocolError for what the server refused.

The hierarchy::

    ClientError
    ├── ClientClosed    the client is closed, or has given up; carries the close code
    ├── ConnectionLost  the connection ended before the answer: the request may be done or not
    ├── QueueFull       the send queue is full
    └── MessageExpired  a message waited in the queue for too long
"""

from __future__ import annotations

from ..errors import RtmonError

__all__ = ["ClientClosed", "ClientError", "ConnectionLost", "MessageExpired", "QueueFull"]


class ClientError(RtmonError):
    """Base of all errors that a client raises."""


class ClientClosed(ClientError):
    """The client is closed, or has given up reconnecting.

    Args:
        message: the reason, and what to do.
        code: the close code, or None where there was none.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ConnectionLost(ClientError):
    """The connection ended before the answer; the request may have been carried out or not."""


class QueueFull(ClientError):
    """The send queue is full."""


class MessageExpired(ClientError):
    """A message waited in the queue for longer than ``queue_age``, and was dropped."""
