"""Alternative field names and message types that the server accepts from clients.

Common examples of WebSocket clients use these spellings. The server never sends them.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from . import limits
from .field_types import Count, Id, Name
from .message_type import MessageType
from .payload_bases import PayloadIn

__all__ = ["MESSAGE_TYPES", "ChunkNumber", "FileMetadata", "Receiver", "Room"]


class Room(PayloadIn, frozen=True, kw_only=True):
    """Payload fields ``room`` and ``roomId``, two spellings of a room's name."""

    room: Name | None = None
    room_id: Name | None = msgspec.field(name="roomId", default=None)

    @property
    def where(self) -> str | None:
        """The name of the room, from the field that the client used; None if it used none."""
        return self.room or self.room_id


class Receiver(PayloadIn, frozen=True, kw_only=True):
    """The receiving client's id, spelled ``to``, ``targetClientId`` or ``target_client_id``."""

    to: Id | None = None
    target: Id | None = msgspec.field(name="targetClientId", default=None)
    target_client_id: Id | None = None

    @property
    def where(self) -> str | None:
        """Id of the receiving client, from the field that the sender used; None if it used none."""
        return self.to or self.target or self.target_client_id


class ChunkNumber(PayloadIn, frozen=True, kw_only=True):
    """Position of a file chunk as ``chunkIndex`` of ``totalChunks``, instead of a byte offset."""

    index: Count | None = msgspec.field(name="chunkIndex", default=None)
    total: Count | None = msgspec.field(name="totalChunks", default=None)

    def __post_init__(self) -> None:
        if self.index is not None and (self.total is None or self.index >= self.total):
            raise ValueError("chunkIndex must be less than totalChunks")


class FileMetadata(PayloadIn, frozen=True, kw_only=True):
    """Payload of ``file_metadata``: starts an upload with chunks numbered by ``chunkIndex``."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.FILE_NAME_LENGTH)]
    size: Count
    type: Annotated[str, msgspec.Meta(max_length=limits.FILE_MIME_LENGTH)] = ""


MESSAGE_TYPES: Final = (
    MessageType("file_metadata", incoming=FileMetadata, reply="ack"),
    # A `pubsub` message is a `publish` with the channel in the envelope. Its payload may be any
    # value.
    MessageType("pubsub"),
)
"""Message types that are other names of message types in the catalog."""
