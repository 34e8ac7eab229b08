"""The catalog of message types: each type once, as a row, with its payload structs.

Each module of the package is one section of the protocol. To add a message type, add its payloads
and its row to a section, add a handler of the same name to :mod:`rtmon.hub.handlers`, and run
``make docs``. All lists of message types, in Python and in the browser client, are derived from the
rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from .. import alternative_spellings
from ..message_type import MessageType, PlaceKind
from ..payload_bases import DataIn, Position
from . import chat, connection, files, presence, pubsub, rooms

# Each section lists its payloads in its own __all__.
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
"""All message types, in the order of docs/protocol.md. Other accepted names are in
:mod:`..alternative_spellings`."""

_BY_NAME = sorted(
    (*MESSAGE_TYPES, *alternative_spellings.MESSAGE_TYPES), key=lambda each: each.name
)

INCOMING: Final[Mapping[str, type[msgspec.Struct]]] = {
    each.name: each.incoming for each in _BY_NAME if each.incoming is not None
}
"""Message type → payload struct of a message from a client."""

OUTGOING: Final[Mapping[str, type[msgspec.Struct]]] = {
    each.name: each.outgoing for each in _BY_NAME if each.outgoing is not None
}
"""Message type → payload struct of a message from the server."""

ACKNOWLEDGED: Final = frozenset(each.name for each in _BY_NAME if each.acknowledged)
"""Message types that the server answers with ``ack`` if their payload asks for it."""

BINARY: Final = frozenset(name for name, kind in INCOMING.items() if issubclass(kind, DataIn))
"""Message types from a client whose ``data`` may be bytes. The bytes may also follow the envelope
in a binary message."""

EPHEMERAL: Final = frozenset(each.name for each in _BY_NAME if each.ephemeral)
"""Message types that are useless after a delay. An offline client does not queue them."""

HEARTBEATS: Final = frozenset(each.name for each in _BY_NAME if each.heartbeat)
"""Message types that do not count as activity of the client that sends them."""

POSITIONED: Final[Mapping[str, PlaceKind]] = {
    each.name: each.positioned for each in _BY_NAME if each.positioned is not None
}
"""Message type of a publication → the kind of place that it is published in."""

REPEATABLE: Final = frozenset(each.name for each in _BY_NAME if each.repeatable)
"""Message types that a client may send again under the same id. They take effect once."""
