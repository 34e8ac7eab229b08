"""The hub: a real-time server with chat, rooms, pub/sub, presence, history and files.

It never sees a socket: see :mod:`rtmon.hub.transports`.
"""

from __future__ import annotations

from .hub import Hub
from .options import ChannelOptions, HubOptions
from .session import Session
from .stats import ChannelStats

__all__ = ["ChannelOptions", "ChannelStats", "Hub", "HubOptions", "Session"]
