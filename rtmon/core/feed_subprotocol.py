"""The WebSocket subprotocol of the admin listener's feed."""

from __future__ import annotations

__all__ = ["FEED_SUBPROTOCOL"]

FEED_SUBPROTOCOL = "rtmon.feed.v1"
"""Offered by readers of a feed, so that a hub refuses them rather than welcome a guest."""
