"""What the hub does with each message type.

A handler takes the session, the typed payload, the envelope, and the codec that the payload came
in. It raises ProtocolError for what the client did wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ...protocol.catalog import INCOMING
from . import chat, connection, files, presence, pubsub, rooms

__all__ = ["HANDLERS"]

Handler: TypeAlias = Callable[[Any, Any, Any, Any], Awaitable[None]]

_MODULES: tuple[dict[str, Any], ...] = (
    chat.HANDLERS,
    connection.HANDLERS,
    files.HANDLERS,
    presence.HANDLERS,
    pubsub.HANDLERS,
    rooms.HANDLERS,
)

HANDLERS: dict[str, tuple[Any, Handler]] = {
    # What is not in the catalog is another spelling of something in it, with any payload.
    name: (INCOMING.get(name, Any), handler)
    for handlers in _MODULES
    for name, handler in handlers.items()
}
"""Message type → (payload, handler)."""
