"""Explanations of WebSocket close codes, and of the causes for which connections end."""

from __future__ import annotations

from collections.abc import Mapping

from ..metrics.close_causes import Cause
from ..protocol.close import CODES, describe, standard_code

__all__ = ["CAUSE_WORDS", "code_text", "code_words"]

_STANDARD: Mapping[int, str] = {
    1000: "The work is done: a normal end.",
    1001: "The server stops, or the browser leaves the page.",
    1002: "The peer broke the WebSocket protocol itself.",
    1003: "The peer sent data of a kind that is not taken here.",
    1005: "A close frame came without a code; it is never on the wire.",
    1006: "The connection ended without a close frame; it is never on the wire.",
    1007: "A text message was not valid UTF-8.",
    1008: "A message went against the rules of the endpoint.",
    1009: "A message was larger than the endpoint takes.",
    1010: "The client needs an extension that the server does not have.",
    1011: "The server failed; its handler raised, or a ping was not answered.",
    1012: "The server restarts.",
    1013: "The server has too much to do, or the client reads too slowly.",
    1014: "A proxy got no proper answer from the server.",
    1015: "The TLS handshake failed; it is never on the wire.",
}
"""Standard close code → its meaning, from RFC 6455 and the IANA close code registry."""

_OF_THE_HUB = frozenset(code for code in CODES if code >= 4000) | {1008, 1013}
"""Close codes to which the hub gives a more specific meaning than the standard does."""

CAUSE_WORDS: Mapping[Cause, str] = {
    "aborted": "This side cut the connection without a close frame, as an aborted transport or "
    "an application that ends without closing does.",
    "closed": "It ended as connections should.",
    "handler cancelled": "The task of its handler was cancelled, as the end of an event loop does.",
    "handler failed": "An exception left its handler.",
    "peer vanished": "The peer is gone: TCP ended without a close frame, or nothing was answered "
    "any more.",
    "ping timeout": "A keepalive ping was not answered in time: the peer hangs, or the network "
    "between is broken.",
    "protocol error": "The WebSocket protocol was broken.",
    "reset": "The peer's machine, or something between, reset the TCP connection.",
    "server shutdown": "The server was shutting down.",
    "slow consumer": "It did not read what was sent to it, and was cut off.",
}
"""Cause for which a connection ended → a sentence that explains the cause."""


def code_text(code: int, *, hub: bool) -> str:
    """Return a close code and its name: "1001 going away".

    Args:
        code: the close code.
        hub: True for a connection to a hub, which also sends close codes from 4000.
    """
    if code in CODES and (code in _STANDARD or hub):
        return f"{code} {CODES[code].name}"
    return f"{code} {describe(code) if hub or code < 4000 else 'of the application'}"


def code_words(code: int, *, hub: bool) -> str:
    """Explain a close code in a sentence; ``hub`` is as in :func:`code_text`."""
    if hub:
        code = standard_code(code)
        if code in _OF_THE_HUB:
            return CODES[code].meaning
    if code in _STANDARD:
        return _STANDARD[code]
    if 3000 <= code < 4000:
        return "Registered by a library or framework; only that says what it means."
    if 4000 <= code < 5000:
        return "The application's own code; only the application says what it means."
    return "No code that RFC 6455 defines."
