"""Errors that a client raises. A request refused by the server raises ProtocolError instead.

The hierarchy::

    ClientError
    ├── ClientClosed    the client is closed, or stopped reconnecting; carries the close code
    ├── ConnectionLost  the connection ended before the answer: the request may be done or not
    ├── QueueFull       the send queue is full
    └── MessageExpired  a message waited in the queue for too long
"""

from __future__ import annotations

from ..errors import RtmonError

__all__ = ["ClientClosed", "ClientError", "ConnectionLost", "MessageExpired", "QueueFull"]


class ClientError(RtmonError):
    """Base class of all errors that a client raises."""


class ClientClosed(ClientError):
    """The client is closed, or has stopped reconnecting.

    Args:
        message: the reason, and what to do.
        code: close code of the last connection; None if there was no close frame.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ConnectionLost(ClientError):
    """The connection ended before the server's answer.

    The server may have carried out the request or not.
    """


class QueueFull(ClientError):
    """The client's send queue is full."""


class MessageExpired(ClientError):
    """A message was dropped because it waited in the send queue longer than ``queue_age``."""
