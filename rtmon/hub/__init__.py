"""The hub: a real-time server with chat, rooms, pub/sub, presence, history and files.

It never sees a socket: see :mod:`rtmon.hub.transports`.
"""

from __future__ import annotations

from .admission.authentication import JWT, Credentials, User
from .connection import Session
from .hub import Hub
from .options import ChannelOptions, HubOptions
from .stats import ChannelStats

__all__ = [
    "JWT",
    "ChannelOptions",
    "ChannelStats",
    "Credentials",
    "Hub",
    "HubOptions",
    "Session",
    "User",
]
