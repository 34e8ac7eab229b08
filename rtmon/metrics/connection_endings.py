"""Derive how a connection ended from what its server or transport reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .close_causes import TOO_SLOW, VIOLATIONS, Cause
from .records import Ending

__all__ = ["ENGINEIO_ENDINGS", "closed_here", "disconnect_ending", "socket_ending", "vague"]

_GOING_AWAY, _NO_STATUS, _ABNORMAL, _RESTART = 1001, 1005, 1006, 1012

ENGINEIO_ENDINGS: Mapping[str, tuple[str | None, Cause | None]] = {
    "client disconnect": ("remote", "closed"),
    "server disconnect": ("local", "closed"),
    "ping timeout": (None, "ping timeout"),
    "transport error": (None, "peer vanished"),
}
"""Disconnect reason of python-engineio → the side that closed the connection, and the cause.

Engine.IO has no close codes. The reason "transport close" is not listed, since it can have any
cause."""


def closed_here(code: int, reason: str, *, slow: bool) -> Ending:
    """Return the Ending of a connection that this side closed.

    Args:
        code: close code sent to the peer.
        reason: close reason sent to the peer.
        slow: True if this side closed the connection because the peer is a slow consumer.
    """
    cause: Cause = "slow consumer" if slow or reason == TOO_SLOW else "closed"
    return Ending(
        close_code=code, code_sent=code, reason_sent=reason, initiator="local", cause=cause
    )


def socket_ending(protocol: Any) -> Ending:
    """Return the Ending of a closed ``websockets`` connection that no probe has measured.

    Args:
        protocol: the connection's ``protocol`` attribute.
    """
    sent, received = protocol.close_sent, protocol.close_rcvd
    if sent is not None and not protocol.close_rcvd_then_sent:
        ending = closed_here(int(sent.code), sent.reason, slow=False)
        # A websockets server closes all of its connections with 1001 when it shuts down.
        return replace(ending, cause="server shutdown") if sent.code == _GOING_AWAY else ending
    if received is None:
        return Ending(close_code=_ABNORMAL, cause="peer vanished")
    code = int(received.code)
    return Ending(
        close_code=code,
        code_received=code,
        reason_received=received.reason,
        initiator="remote",
        cause="protocol error" if code in VIOLATIONS else "closed",
    )


def vague(send: Any) -> bool:
    """Return True if the ASGI server reports 1006 whenever the peer ends the connection.

    Hypercorn does so.

    Args:
        send: the ASGI ``send`` callable, of the server or of a probe that wraps the server's.
    """
    while (owner := getattr(send, "__self__", None)) is not None:
        if type(owner).__module__.partition(".")[0] == "hypercorn":
            return True
        send = getattr(
            owner, "_send", None
        )  # The attribute in which rtmon.ASGIProbe keeps the server's callable.
    return False


def disconnect_ending(disconnect: Mapping[str, Any], *, vague: bool = False) -> Ending:
    """Return the Ending that an ASGI message ``websocket.disconnect`` reports.

    If the message has no ``reason``, the peer sent no close frame. Uvicorn then reports a broken
    connection as 1005, and its own shutdown as 1012. A close code for a protocol error does not
    show which side sent it.

    Args:
        disconnect: the ASGI message.
        vague: True if the server reports 1006 whenever the peer ends the connection. The code
            1006 is then ignored; see :func:`vague`.
    """
    code = int(disconnect.get("code") or _NO_STATUS)
    reason = disconnect.get("reason")
    if code == _ABNORMAL and vague:
        return Ending()
    if code == _ABNORMAL or (code == _NO_STATUS and "reason" not in disconnect):
        return Ending(close_code=_ABNORMAL, cause="peer vanished")
    if code == _RESTART and "reason" not in disconnect:
        return Ending(
            close_code=code,
            code_sent=code,
            reason_sent="",
            initiator="local",
            cause="server shutdown",
        )
    if code in VIOLATIONS:
        return Ending(close_code=code, cause="protocol error")
    return Ending(
        close_code=code,
        code_received=code,
        reason_received=reason,
        initiator="remote",
        cause="closed",
    )
