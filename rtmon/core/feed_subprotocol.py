"""Name of the WebSocket subprotocol that the admin listener's feed uses."""

from __future__ import annotations

__all__ = ["FEED_SUBPROTOCOL"]

FEED_SUBPROTOCOL = "rtmon.feed.v1"
"""Sent by programs that connect to a feed. A hub at that address does not support this
subprotocol, and so it rejects the handshake instead of accepting the program as a client."""
