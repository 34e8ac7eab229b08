"""A client of a hub: it reconnects, and resumes from the positions of its last messages."""

from __future__ import annotations

from ..core.batch_buffer import Batch
from ..protocol.catalog import Position
from .client import Client
from .connect_function import connect
from .errors import ClientClosed, ClientError, ConnectionLost, MessageExpired, QueueFull
from .options import ClientOptions
from .result_types import Change, ClientState, ClientStats, Message
from .subscription import Subscription

__all__ = [
    "Batch",
    "Change",
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientOptions",
    "ClientState",
    "ClientStats",
    "ConnectionLost",
    "Message",
    "MessageExpired",
    "Position",
    "QueueFull",
    "Subscription",
    "connect",
]
