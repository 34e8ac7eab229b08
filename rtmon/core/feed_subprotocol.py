"""Name of the WebSocket subprotocol that the admin listener's feed uses."""

from __future__ import annotations

__all__ = ["FEED_SUBPROTOCOL"]

FEED_SUBPROTOCOL = "rtmon.feed.v1"
"""Programs that connect to a feed request this subprotocol. If the address belongs to a hub, the
hub rejects the handshake, instead of accepting the program as one of its clients."""
