"""Other spellings that the server accepts from clients, and never sends.

Clients written after common examples of WebSocket servers use them.
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
    """Field ``room``, which may be spelled ``roomId``."""

    room: Name | None = None
    room_id: Name | None = msgspec.field(name="roomId", default=None)

    @property
    def where(self) -> str | None:
        """Name of the room, however the client spelled the field."""
        return self.room or self.room_id


class Receiver(PayloadIn, frozen=True, kw_only=True):
    """Field ``to``, which may be spelled ``targetClientId`` or ``target_client_id``."""

    to: Id | None = None
    target: Id | None = msgspec.field(name="targetClientId", default=None)
    target_client_id: Id | None = None

    @property
    def where(self) -> str | None:
        """Id of the receiving client, however the sender spelled the field."""
        return self.to or self.target or self.target_client_id


class ChunkNumber(PayloadIn, frozen=True, kw_only=True):
    """Position of a file chunk as ``chunkIndex`` of ``totalChunks``, in place of an offset."""

    index: Count | None = msgspec.field(name="chunkIndex", default=None)
    total: Count | None = msgspec.field(name="totalChunks", default=None)

    def __post_init__(self) -> None:
        if self.index is not None and (self.total is None or self.index >= self.total):
            raise ValueError("chunkIndex must be less than totalChunks")


class FileMetadata(PayloadIn, frozen=True, kw_only=True):
    """Begins a file whose chunks come as ``chunkIndex`` of ``totalChunks``."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.FILE_NAME_LENGTH)]
    size: Count
    type: Annotated[str, msgspec.Meta(max_length=limits.FILE_MIME_LENGTH)] = ""


MESSAGE_TYPES: Final = (
    MessageType("file_metadata", incoming=FileMetadata, reply="ack"),
    # It is `publish` with the channel beside the payload, which may be anything.
    MessageType("pubsub"),
)
"""Other names of message types in the catalog."""
