"""Every message type once: a row, and beside it the payloads in both directions.

A section of the protocol is a module. To add a message type, write its payloads and its row there,
a handler of the same name in :mod:`rtmon.hub.handlers`, and run ``make docs``. Everything that
lists message types, here and in the browser client, follows from the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from .. import alternative_spellings
from ..message_type import MessageType, PlaceKind
from ..payload_bases import DataIn, Position
from . import chat, connection, files, presence, pubsub, rooms

# A payload is named once, in its section.
from .chat import *  # noqa: F403
from .connection import *  # noqa: F403
from .files import *  # noqa: F403
from .presence import *  # noqa: F403
from .pubsub import *  # noqa: F403
from .rooms import *  # noqa: F403

__all__ = [
    "ACKNOWLEDGED",
    "BINARY",
    "EPHEMERAL",
    "HEARTBEATS",
    "INCOMING",
    "MESSAGE_TYPES",
    "OUTGOING",
    "POSITIONED",
    "REPEATABLE",
    "Position",
]
__all__ += connection.__all__
__all__ += presence.__all__
__all__ += chat.__all__
__all__ += rooms.__all__
__all__ += pubsub.__all__
__all__ += files.__all__

MESSAGE_TYPES: Final[tuple[MessageType, ...]] = (
    *connection.MESSAGE_TYPES,
    *presence.MESSAGE_TYPES,
    *chat.MESSAGE_TYPES,
    *rooms.MESSAGE_TYPES,
    *pubsub.MESSAGE_TYPES,
    *files.MESSAGE_TYPES,
)
"""The catalog, in the order of docs/protocol.md. Other spellings are in :mod:`..alternative_spellings`."""

_BY_NAME = sorted(
    (*MESSAGE_TYPES, *alternative_spellings.MESSAGE_TYPES), key=lambda each: each.name
)

INCOMING: Final[Mapping[str, type[msgspec.Struct]]] = {
    each.name: each.incoming for each in _BY_NAME if each.incoming is not None
}
"""Message type → the payload that a client sends with it."""

OUTGOING: Final[Mapping[str, type[msgspec.Struct]]] = {
    each.name: each.outgoing for each in _BY_NAME if each.outgoing is not None
}
"""Message type → the payload that the server sends with it."""

ACKNOWLEDGED: Final = frozenset(each.name for each in _BY_NAME if each.acknowledged)
"""Message types that are answered by an ``ack`` if their payload asks for it."""

BINARY: Final = frozenset(name for name, kind in INCOMING.items() if issubclass(kind, DataIn))
"""Message types from a client whose ``data`` may be bytes, also beside the envelope."""

EPHEMERAL: Final = frozenset(each.name for each in _BY_NAME if each.ephemeral)
"""Message types that are of no use later, and are not queued while a client is offline."""

HEARTBEATS: Final = frozenset(each.name for each in _BY_NAME if each.heartbeat)
"""Message types that do not count as activity of the client that sends them."""

POSITIONED: Final[Mapping[str, PlaceKind]] = {
    each.name: each.positioned for each in _BY_NAME if each.positioned is not None
}
"""Message types of publications → the kind of place that they were published in."""

REPEATABLE: Final = frozenset(each.name for each in _BY_NAME if each.repeatable)
"""Message types that may be sent twice under one id, and take effect once."""
