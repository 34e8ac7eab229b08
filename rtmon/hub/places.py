"""From what was published to the message that carries it, and the names of places."""

from __future__ import annotations

from typing import Any

from ..protocol import catalog
from ..protocol.envelope import Message
from .brokers.base import Published, client_key

__all__ = ["CHAT", "FILES", "channel_key", "client_key", "room_key", "to_message"]

CHAT = "chat"
"""The key of the chat with everybody."""


FILES = "files"
"""Where files go that are for the server."""


def room_key(room: str) -> str:
    """The key of a room; rooms and channels of one name are two things."""
    return f"room:{room}"


def channel_key(channel: str) -> str:
    """The key of a channel."""
    return f"channel:{channel}"


def to_message(published: Published) -> Message:
    """The message, the same for all who get it."""
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
