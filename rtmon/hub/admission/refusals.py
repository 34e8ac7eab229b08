"""Refusals of clients: error codes, close codes and counters."""

from __future__ import annotations

from ...errors import ProtocolError
from ...protocol import close
from ..hub_context import HubContext
from ..options import HubOptions
from ..transports.base import Peer

__all__ = ["Refusals", "close_code"]

_CODES = {
    "client_id_in_use": close.TRY_AGAIN_LATER,
    "full": close.TRY_AGAIN_LATER,
    "internal": close.INTERNAL_ERROR,
    "overloaded": close.TRY_AGAIN_LATER,
    "rate_limited": close.TRY_AGAIN_LATER,
    "token_expired": close.TOKEN_EXPIRED,
    "too_many_connections": close.TRY_AGAIN_LATER,
    "unavailable": close.TRY_AGAIN_LATER,
}
"""Error code → close code of a refused connection; ``auth_close`` for all others."""

_COUNTED = frozenset(
    {*_CODES, "forbidden", "invalid_message", "invalid_payload", "invalid_token", "unauthorized"}
)
"""Error codes that are counted by themselves."""


def close_code(error: ProtocolError, options: HubOptions) -> int:
    """Return the code that a refused connection is closed with."""
    return _CODES.get(error.code, options.auth_close)


class Refusals:
    """Answers refused clients, and counts them by error code.

    Args:
        context: of the hub.

    Attributes:
        counts: error code → refused clients; an application's own codes are counted as ``other``.
    """

    def __init__(self, context: HubContext) -> None:
        self.counts: dict[str, int] = {}
        self._context = context

    def count(self, peer: Peer, error: ProtocolError) -> None:
        """Count a refused client, and report it to the Monitor."""
        reason = error.code if error.code in _COUNTED else "other"
        self.counts[reason] = self.counts.get(reason, 0) + 1
        peer.refused(close_code(error, self._context.options), f"{error.code}: {error.message}")

    def answer(self, peer: Peer, error: ProtocolError) -> int:
        """Send a client the reason of its refusal. Returns the code to close with.

        A full server does not send a message: the close code says it.
        """
        if error.code != "full":
            peer.send(peer.codec.encode(self._context.messages.error(error)))
        return close_code(error, self._context.options)
