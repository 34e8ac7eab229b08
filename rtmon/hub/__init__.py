"""The hub: a real-time server with chat, rooms, pub/sub, presence, history and files.

A hub opens no sockets. The modules in :mod:`rtmon.hub.transports` connect it to clients.
"""

from __future__ import annotations

from .admission.authentication import Credentials, User
from .admission.jwt import JWT
from .client_handle import Client
from .connection import Connection
from .delivery_receipts import PublicationReceipt, Receipt
from .hub import Hub
from .options import ChannelOptions, HubOptions
from .stats import ChannelStats, HubStats

__all__ = [
    "JWT",
    "ChannelOptions",
    "ChannelStats",
    "Client",
    "Connection",
    "Credentials",
    "Hub",
    "HubOptions",
    "HubStats",
    "PublicationReceipt",
    "Receipt",
    "Session",
    "User",
]

Session = Connection
"""Former name of :class:`Connection`. The next release removes it."""
