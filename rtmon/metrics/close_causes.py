"""Causes of the end of a connection: they explain more than a close code such as 1006."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["CAUSES", "NORMAL", "TOO_SLOW", "UNKNOWN", "Cause", "cause", "cause_column"]

Cause = Literal[
    "aborted",
    "closed",
    "handler cancelled",
    "handler failed",
    "peer vanished",
    "ping timeout",
    "protocol error",
    "reset",
    "server shutdown",
    "slow consumer",
]
"""Why a connection ended.

* ``aborted``: This side closed the TCP connection without a close frame. ``transport.abort()`` does
  so, and so do some servers if the application returns without closing.
* ``closed``: One side sent a close frame, and no other cause applies.
* ``handler cancelled``: The handler's task was cancelled, for example because the event loop
  ended. The connection is closed with 1011.
* ``handler failed``: The handler raised an exception. The connection is closed with 1011. A
  ``CancelledError`` counts too if the handler's own task was not cancelled.
* ``peer vanished``: The TCP connection ended without a close frame, or the peer did not answer a
  close frame.
* ``ping timeout``: The peer did not answer a keepalive ping in time.
* ``protocol error``: The peer violated the protocol (close codes 1002, 1003, 1007, 1009, 1010).
* ``reset``: The peer's system, or a proxy or router on the way, reset the TCP connection.
* ``server shutdown``: This server was shutting down.
* ``slow consumer``: The peer did not read the data sent to it, so this side closed the
  connection.
"""

CAUSES: tuple[str, ...] = get_args(Cause)

UNKNOWN = "unknown"
"""Cause recorded for a connection if its transport or server does not report why it ended."""


def cause_column(cause: str) -> str:
    """Return the name of the column that counts a cause, such as ``closed_ping_timeout``."""
    return f"closed_{'normally' if cause == 'closed' else cause.replace(' ', '_')}"


NORMAL = frozenset({"closed", "server shutdown"})
"""Causes of a normal end. After such an end, the connection's last frames are discarded."""

VIOLATIONS = frozenset({1002, 1003, 1007, 1009, 1010})
"""Close codes that mean a protocol violation by the peer (RFC 6455, section 7.4.1)."""

TOO_SLOW = "you read too slowly"
"""The close reason that the hub sends to a slow consumer, with the close code 1013."""

KEEPALIVE_TIMEOUT = "keepalive ping timeout"
"""The close reason that ``websockets`` sends after an unanswered ping, with the close code 1011."""


def cause(
    *,
    code_sent: int | None,
    reason_sent: str | None,
    code_received: int | None,
    initiator: str | None,
    failed: bool,
    cancelled: bool,
    shutdown: bool,
    slow: bool,
    gone: bool,
    exception: BaseException | None,
) -> Cause:
    """Return the cause of a connection's end.

    Args:
        code_sent: close code sent to the peer; None if no close frame was sent.
        reason_sent: close reason sent to the peer.
        code_received: close code received; None if no close frame was received.
        initiator: the side that sent the first close frame, ``local`` or ``remote``; None if
            neither side did.
        failed: True if the handler raised an exception.
        cancelled: True if the handler's task was cancelled.
        shutdown: True if this server was shutting down.
        slow: True if the connection was slow: its oldest queued byte had waited too long.
        gone: True if the peer closed or reset the TCP connection, False if this side closed it.
        exception: the exception that ended the TCP connection; None for an orderly end.
    """
    if initiator == "remote":
        return "protocol error" if code_received in VIOLATIONS else "closed"
    if initiator == "local":
        unanswered = code_sent == 1011 and reason_sent == KEEPALIVE_TIMEOUT
        told = code_sent == 1013 and reason_sent == TOO_SLOW
        cut_off = told or (slow and (unanswered or code_sent == 1013 or code_received is None))
        known: dict[Cause, bool] = {
            "slow consumer": cut_off,
            "ping timeout": unanswered,
            "handler failed": failed,
            "handler cancelled": cancelled and code_sent == 1011,
            "protocol error": code_sent in VIOLATIONS,
            "server shutdown": shutdown,
            "peer vanished": code_received is None and not gone,
        }
        return next((name for name, holds in known.items() if holds), "closed")
    if shutdown:
        return "server shutdown"
    if slow and not gone:
        return "slow consumer"
    if not gone and exception is None:
        return "aborted"
    return "reset" if isinstance(exception, ConnectionError) else "peer vanished"
