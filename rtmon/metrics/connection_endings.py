"""Derive how a connection ended from the report of a server or transport. Pure."""

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
"""Reasons of python-engineio, which has no close codes: the side that closed first, and the cause.

A "transport close" can have any cause, unless the WebSocket below reports it."""


def closed_here(code: int, reason: str, *, slow: bool) -> Ending:
    """Return the ending of a connection that this side closed.

    Args:
        code: close code sent.
        reason: close reason sent.
        slow: True if the client read too slowly.
    """
    cause: Cause = "slow consumer" if slow or reason == TOO_SLOW else "closed"
    return Ending(
        close_code=code, code_sent=code, reason_sent=reason, initiator="local", cause=cause
    )


def socket_ending(protocol: Any) -> Ending:
    """Return the ending of a connection of ``websockets`` without a probe.

    Args:
        protocol: of the connection, which is closed.
    """
    sent, received = protocol.close_sent, protocol.close_rcvd
    if sent is not None and not protocol.close_rcvd_then_sent:
        ending = closed_here(int(sent.code), sent.reason, slow=False)
        # The library closes with 1001 when its server ends.
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
    """Return True for an ASGI server that reports every end by the peer as 1006: Hypercorn.

    Args:
        send: the server's, or that of a probe in front of it.
    """
    while (owner := getattr(send, "__self__", None)) is not None:
        if type(owner).__module__.partition(".")[0] == "hypercorn":
            return True
        send = getattr(owner, "_send", None)  # as rtmon.ASGIProbe keeps it
    return False


def disconnect_ending(disconnect: Mapping[str, Any], *, vague: bool = False) -> Ending:
    """Return the ending of a connection from ASGI's ``websocket.disconnect``.

    A reason comes with a close frame only. Without one, uvicorn reports a broken connection as
    1005 and its own shutdown as 1012. Codes for protocol errors do not tell which side sent them.

    Args:
        disconnect: the message.
        vague: True if the server reports every end by the peer as 1006, which then means nothing.
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
