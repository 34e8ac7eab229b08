"""WebSocket close codes: their names, their meaning, and whether a client reconnects after them.

Codes below 3000 come from the registry of RFC 6455 (section 7.4.1, and IANA's "WebSocket Close Code
Number Registry"). In the private range, 4000 to 4499 ask the client to reconnect, and 4500 to 4999
ask the client not to reconnect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import OptionError
from .data_encoding import plain_text

__all__ = [
    "ABNORMAL",
    "CODES",
    "GOING_AWAY",
    "IDLE",
    "INTERNAL_ERROR",
    "NORMAL",
    "NO_HEARTBEAT",
    "NO_STATUS",
    "NO_TOKEN",
    "POLICY",
    "REPLACED",
    "TOKEN_EXPIRED",
    "TRY_AGAIN_LATER",
    "UNAUTHORIZED",
    "CloseCode",
    "checked_reason",
    "describe",
    "effective_code",
    "may_reconnect",
    "private_code",
    "standard_code",
]

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
POLICY: Final = 1008
INTERNAL_ERROR: Final = 1011
TRY_AGAIN_LATER: Final = 1013
NO_HEARTBEAT: Final = 4000
TOKEN_EXPIRED: Final = 4001
NO_TOKEN: Final = 4002
UNAUTHORIZED: Final = 4500
REPLACED: Final = 4501
IDLE: Final = 4502


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One close code and its description.

    Attributes:
        code: the number.
        name: a short name, as shown on the dashboard.
        meaning: one sentence. For a code that the hub sends, the sentence says when.
        reconnect: True if a client should reconnect by itself after this code.
    """

    code: int
    name: str
    meaning: str
    reconnect: bool


CODES: Final[dict[int, CloseCode]] = {
    entry.code: entry
    for entry in (
        CloseCode(
            1000,
            "normal",
            "The connection is done. The hub sends this after a disconnect message.",
            False,
        ),
        CloseCode(
            1001, "going away", "The server is stopping, or the browser is leaving the page.", True
        ),
        CloseCode(1002, "protocol error", "The peer violated the WebSocket protocol.", False),
        CloseCode(
            1003, "unsupported data", "The peer sent a type of data that is not accepted.", False
        ),
        CloseCode(1005, "no status", "A close frame had no code. Never sent itself.", True),
        CloseCode(1006, "abnormal", "The connection ended without a close frame.", True),
        CloseCode(1007, "invalid data", "A text message was not valid UTF-8.", False),
        CloseCode(
            1008,
            "policy violation",
            "The hub sends this to a client that floods it and, if auth_close is 1008, "
            "to a client that it refuses.",
            False,
        ),
        CloseCode(1009, "too big", "A message was larger than the server accepts.", False),
        CloseCode(
            1010,
            "extension missing",
            "The server did not agree to an extension that the client requires.",
            False,
        ),
        CloseCode(1011, "internal error", "The handler on the server raised an exception.", True),
        CloseCode(1012, "service restart", "The server restarts.", True),
        CloseCode(
            1013,
            "try again later",
            "The hub sends this to a client that reads too slowly, and to a new client "
            "when a connection limit is reached.",
            True,
        ),
        CloseCode(1014, "bad gateway", "A proxy got an invalid response from the server.", True),
        CloseCode(4000, "no heartbeat", "The client did not answer the hub's ping messages.", True),
        CloseCode(
            4001,
            "token expired",
            "The client's token has expired, or the fresh token has fewer permissions. "
            "Reconnect with a fresh token.",
            True,
        ),
        CloseCode(
            4002, "no token", "The client sent no token within the authentication timeout.", True
        ),
        CloseCode(4500, "unauthorized", "The hub rejected the client's token.", False),
        CloseCode(
            4501,
            "replaced",
            "Newer connections of the same user or address reached the limit.",
            False,
        ),
        CloseCode(4502, "idle", "The client sent nothing but heartbeats for too long.", False),
        CloseCode(1015, "TLS failure", "The TLS handshake failed. Never sent itself.", False),
    )
}
"""Close code → its description: all codes of the standard, and the hub's private codes."""

_SENDABLE = frozenset(code for code in CODES if code not in {1005, 1006, 1015})

_BACK, _AWAY = 4100, 4600
"""First numbers of two private ranges that stand for standard codes. Codes from 4100 ask the client
to reconnect, codes from 4600 ask the client not to."""

_FAILING = frozenset({1002, 1003, 1007, 1009, 1010})
"""Codes with which an endpoint fails the connection. RFC 6455, 7.1.7, lets that endpoint drop TCP
without waiting for the other close frame, so the connection ends with the code that was sent."""


def effective_code(sent: int | None, received: int | None) -> int:
    """Return the close code of a connection, from the close frames that one endpoint saw.

    Args:
        sent: code of the close frame that the endpoint sent; None if it sent none.
        received: code of the close frame that it received; 1005 if that frame had no code, None if
            no close frame came.

    Returns:
        The received code if a close frame came. Otherwise the sent code if it is one that fails the
        connection, else 1006.
    """
    if received is not None:
        return received
    if sent is not None and sent in _FAILING:
        return sent
    return ABNORMAL


def checked_reason(code: int, reason: str) -> str:
    """Return a close reason as a plain str, after checking the code and the reason.

    Args:
        code: the close code to send.
        reason: the close reason to send.

    Raises:
        OptionError: no endpoint may send this code (RFC 6455, 7.4), or the reason is no text that
            UTF-8 can encode.
    """
    if code not in _SENDABLE and not 3000 <= code < 5000:
        raise OptionError(
            f"{code!r} is not a close code that may be sent: use 1000, or 4000 to 4999."
        )
    try:
        return plain_text(reason)
    except (TypeError, ValueError) as error:
        raise OptionError(f"A connection cannot be closed with this reason: {error}.") from None


def describe(code: int) -> str:
    """Return the short name of a close code, such as "going away"."""
    known = CODES.get(standard_code(code))
    if known is not None:
        return known.name
    if 3000 <= code < 4000:
        return "registered"
    if 4000 <= code < 4500:
        return "application, come back"
    if 4500 <= code < 5000:
        return "application, stay away"
    return "unknown"


def may_reconnect(code: int) -> bool:
    """Return whether a client should reconnect by itself after this close code."""
    known = CODES.get(code)
    if known is not None:
        return known.reconnect
    return not 4500 <= code < 5000


def private_code(code: int) -> int:
    """Return the private code that stands for a standard code: 4113 for 1013, 4608 for 1008.

    1000 and codes from 3000 on are returned unchanged.

    Some servers let an application send only 1000 and codes from 3000 on. Through such a server the
    hub sends the private code.
    """
    if code == NORMAL or code >= 3000:
        return code
    return code - 1000 + (_BACK if may_reconnect(code) else _AWAY)


def standard_code(code: int) -> int:
    """Return the standard code that a private code of :func:`private_code` stands for.

    Any other code is returned unchanged.
    """
    for first in (_BACK, _AWAY):
        standard = code - first + 1000
        if standard in _SENDABLE and private_code(standard) == code:
            return standard
    return code
