"""Causes of the end of a connection, which distinguish one close code 1006 from another."""

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

* ``aborted``: this side cut it without a close frame, as ``transport.abort()`` does, or a server
  whose application ends without closing.
* ``closed``: by a close frame of either side with none of the other causes.
* ``handler cancelled``: the handler's task was cancelled, as by the end of its event loop,
  which closes with 1011.
* ``handler failed``: an exception left the handler, which closes with 1011; also a
  ``CancelledError`` of something that the handler awaited, without being cancelled itself.
* ``peer vanished``: TCP ended without a close frame, or the peer stopped answering, even to a
  close frame.
* ``ping timeout``: a keepalive ping was not answered in time.
* ``protocol error``: the peer broke the protocol (1002, 1003, 1007, 1009, 1010).
* ``reset``: the peer's machine or something between reset the TCP connection.
* ``server shutdown``: this server was closing.
* ``slow consumer``: the peer did not read the data sent to it, and was cut off.
"""

CAUSES: tuple[str, ...] = get_args(Cause)

UNKNOWN = "unknown"
"""Cause of an end that the transport or server does not explain."""


def cause_column(cause: str) -> str:
    """Return the column that counts connections with this cause: ``closed_ping_timeout``."""
    return f"closed_{'normally' if cause == 'closed' else cause.replace(' ', '_')}"


NORMAL = frozenset({"closed", "server shutdown"})
"""Causes for which the last frames are not kept."""

VIOLATIONS = frozenset({1002, 1003, 1007, 1009, 1010})
"""Close codes for a peer's violation of the protocol (RFC 6455, 7.4.1)."""

TOO_SLOW = "you read too slowly"
"""The reason with which the hub closes a slow consumer; it goes with the code 1013."""

KEEPALIVE_TIMEOUT = "keepalive ping timeout"
"""The close reason of ``websockets`` after an unanswered ping; it goes with the code 1011."""


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
        code_sent: close code sent, None if no close frame was.
        reason_sent: close reason sent.
        code_received: close code received, None if no close frame was.
        initiator: ``local``, ``remote``, or None if neither side sent a close frame.
        failed: True if an exception left the handler.
        cancelled: True if the handler was cancelled.
        shutdown: True if this server was closing.
        slow: True if bytes had been queued for too long, or 1013 was sent because of it.
        gone: True if the peer ended or reset the TCP connection, False if this side cut it.
        exception: the error that ended the TCP connection; None for an orderly end.
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
