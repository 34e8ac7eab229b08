"""Refusals of clients: their error codes, close codes and counters."""

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
"""Error code → close code of a refused connection. All other errors use the option
``auth_close``."""

_COUNTED = frozenset(
    {*_CODES, "forbidden", "invalid_message", "invalid_payload", "invalid_token", "unauthorized"}
)
"""Error codes that are counted separately. All others are counted as ``other``."""


def close_code(error: ProtocolError, options: HubOptions) -> int:
    """Return the close code for a connection that is refused with an error."""
    return _CODES.get(error.code, options.auth_close)


class Refusals:
    """Answers refused clients, and counts them by error code.

    Args:
        context: the hub's shared context.

    Attributes:
        counts: error code → number of refused clients. Error codes that the application defines are
            counted as ``other``.
    """

    def __init__(self, context: HubContext) -> None:
        self.counts: dict[str, int] = {}
        self._context = context

    def count(self, peer: Peer, error: ProtocolError) -> None:
        """Count a refused client, and report the refusal to the Monitor."""
        reason = error.code if error.code in _COUNTED else "other"
        self.counts[reason] = self.counts.get(reason, 0) + 1
        peer.refused(close_code(error, self._context.options), f"{error.code}: {error.message}")

    def answer(self, peer: Peer, error: ProtocolError) -> int:
        """Send a refused client the error. Returns the close code for the connection.

        The error ``full`` is not sent: if the server is full, the client gets only the close code.
        """
        if error.code != "full":
            peer.send(peer.codec.encode(self._context.messages.error(error)))
        return close_code(error, self._context.options)
