"""Close codes: their meaning, and whether a client reconnects after them.

Codes below 3000 are the registry of RFC 6455 (section 7.4.1 and IANA's "WebSocket Close Code
Number Registry"). Of the private range, 4000 to 4499 mean "come back", 4500 to 4999 "do not".
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
    """One close code.

    Attributes:
        code: the number.
        name: a few words, as shown on a dashboard.
        meaning: one sentence; for codes that the hub sends, when it does.
        reconnect: true if a client should reconnect by itself.
    """

    code: int
    name: str
    meaning: str
    reconnect: bool


CODES: Final[dict[int, CloseCode]] = {
    entry.code: entry
    for entry in (
        CloseCode(1000, "normal", "The work is done; the hub sends it after disconnect.", False),
        CloseCode(1001, "going away", "The server stops, or the browser leaves the page.", True),
        CloseCode(1002, "protocol error", "The peer broke the WebSocket protocol itself.", False),
        CloseCode(1003, "unsupported data", "The peer sent data of a kind not taken here.", False),
        CloseCode(1005, "no status", "A close frame came without a code; never on the wire.", True),
        CloseCode(1006, "abnormal", "The connection ended without a close frame.", True),
        CloseCode(1007, "invalid data", "A text message was not valid UTF-8.", False),
        CloseCode(
            1008,
            "policy violation",
            "The hub sends it to a client that floods, or, if asked to, to one that is not let in.",
            False,
        ),
        CloseCode(1009, "too big", "A message was larger than the server takes.", False),
        CloseCode(1010, "extension missing", "The client needs an extension.", False),
        CloseCode(1011, "internal error", "The server failed; its handler raised.", True),
        CloseCode(1012, "service restart", "The server restarts.", True),
        CloseCode(
            1013,
            "try again later",
            "The hub sends it to a client that reads too slowly, or when it is full.",
            True,
        ),
        CloseCode(1014, "bad gateway", "A proxy got no proper answer from the server.", True),
        CloseCode(
            4000, "no heartbeat", "The client left the hub's ping messages unanswered.", True
        ),
        CloseCode(
            4001,
            "token expired",
            "The client's token has expired, or allows less than before: come with a fresh one.",
            True,
        ),
        CloseCode(4002, "no token", "The client did not say in time who it is.", True),
        CloseCode(4500, "unauthorized", "The hub does not take the client's token.", False),
        CloseCode(
            4501, "replaced", "The same user or address has newer connections, the most.", False
        ),
        CloseCode(4502, "idle", "The client said nothing but heartbeats for too long.", False),
        CloseCode(1015, "TLS failure", "The TLS handshake failed; never on the wire.", False),
    )
}
"""Code → its meaning: all that the standard defines, and the hub's own."""

_SENDABLE = frozenset(code for code in CODES if code not in {1005, 1006, 1015})

_BACK, _AWAY = 4100, 4600
"""First private code of those that say standard ones: a client comes back, or stays away."""

_FAILING = frozenset({1002, 1003, 1007, 1009, 1010})
"""Codes after which the endpoint that sent them fails the connection: RFC 6455, 7.1.7, lets it
drop TCP without waiting for an answer, so the code sent is what the connection ended with."""


def effective_code(sent: int | None, received: int | None) -> int:
    """Return the code that a connection ended with, from the close frames seen at one end.

    Args:
        sent: code of the close frame sent, None if none was.
        received: code of the close frame received, 1005 if it had none, None if none came.

    Returns:
        The received code if a close frame came; else the sent one if it is a code for failing
        the connection; else 1006.
    """
    if received is not None:
        return received
    if sent is not None and sent in _FAILING:
        return sent
    return ABNORMAL


def checked_reason(code: int, reason: str) -> str:
    """Return the reason as a plain str, if a close frame can say it and the code.

    Raises:
        OptionError: it is a code that no endpoint may send (RFC 6455, 7.4), or the reason is no
            text that UTF-8 can carry.
    """
    if code not in _SENDABLE and not 3000 <= code < 5000:
        raise OptionError(f"{code!r} is no close code that may be sent: use 1000, or 4000 to 4999.")
    try:
        return plain_text(reason)
    except (TypeError, ValueError) as error:
        raise OptionError(f"A connection cannot be closed with such a reason: {error}.") from None


def describe(code: int) -> str:
    """Return a short name for a close code, such as "going away"."""
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
    """Return whether a client should reconnect by itself after a close code."""
    known = CODES.get(code)
    if known is not None:
        return known.reconnect
    return not 4500 <= code < 5000


def private_code(code: int) -> int:
    """Return the private code that says the same as a standard one: 4113 for 1013, 4608 for 1008.

    For servers that let an application send 1000 and codes from 3000 on, and no others.
    """
    if code == NORMAL or code >= 3000:
        return code
    return code - 1000 + (_BACK if may_reconnect(code) else _AWAY)


def standard_code(code: int) -> int:
    """Return the standard code that a private one says, see :func:`private_code`; else itself."""
    for first in (_BACK, _AWAY):
        standard = code - first + 1000
        if standard in _SENDABLE and private_code(standard) == code:
            return standard
    return code
