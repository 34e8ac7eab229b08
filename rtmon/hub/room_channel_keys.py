"""Keys that identify a room, a channel or the chat inside the hub, and building of publications."""

from __future__ import annotations

from typing import Any

from ..protocol import catalog
from ..protocol.envelope import Message
from .brokers.base import Published, client_key

__all__ = ["CHAT", "FILES", "USERS", "channel_key", "client_key", "room_key", "to_message"]

CHAT = "chat"
"""Key of the public chat, which all clients receive."""

FILES = "files"
"""Key for permission checks of uploads that are for the server itself."""

USERS = "users"
"""Key of users that come online or go offline. These changes are announced in the chat."""


def room_key(room: str) -> str:
    """Return the key of a room. A room and a channel of the same name have different keys."""
    return f"room:{room}"


def channel_key(channel: str) -> str:
    """Return the key of a channel."""
    return f"channel:{channel}"


def to_message(published: Published) -> Message:
    """Return the message by which clients receive a publication; the same for all receivers."""
    draft = published.draft
    position: dict[str, Any] = {"epoch": published.epoch, "offset": published.offset}
    payload: Any
    if draft.type == "publication":
        payload = catalog.Publication(
            channel=draft.channel,
            data=draft.data,
            client_id=draft.client_id,
            name=draft.name,
            **position,
        )
    else:
        common: dict[str, Any] = {
            "client_id": draft.client_id or "",
            "name": draft.name or "",
            "timestamp": draft.timestamp,
            **position,
        }
        if draft.type == "room_message":
            payload = catalog.RoomMessage(
                room=draft.channel, text=draft.text, data=draft.data, **common
            )
        else:
            payload = catalog.ChatMessage(text=draft.text or "", **common)
    return Message(id=draft.id, type=draft.type, timestamp=draft.timestamp, payload=payload)
