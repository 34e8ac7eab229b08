"""Message types of rooms: join, leave, and messages to the members."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from .. import alternative_spellings
from ..field_types import Text
from ..message_type import MessageType
from ..payload_bases import DataIn, DataOut, Position, required

__all__ = ["JoinRoom", "LeaveRoom", "RoomIn", "RoomMessage"]


class JoinRoom(alternative_spellings.Room, frozen=True, kw_only=True):
    """Joins a room. With ``since``, the server then sends the messages after that position."""

    spelled: ClassVar = ("room",)

    since: Position | None = None

    def __post_init__(self) -> None:
        required(self.where, "room")


class LeaveRoom(alternative_spellings.Room, frozen=True, kw_only=True):
    """Leaves a room, or all rooms if no room is named."""


class RoomIn(DataIn, alternative_spellings.Room, frozen=True, kw_only=True):
    """Sends a message to a room. The client must be a member."""

    spelled: ClassVar = ("room",)

    text: Text | None = None
    data: Any = None
    encoding: Literal["base64"] | None = None
    echo: bool | None = None
    ack: bool = False

    def __post_init__(self) -> None:
        required(self.where, "room")
        super().__post_init__()


class RoomMessage(DataOut, frozen=True, kw_only=True):
    """A member of a room has sent a message to the room."""

    room: str
    client_id: str
    name: str
    timestamp: int
    epoch: str
    offset: int
    text: str | None = None


MESSAGE_TYPES: Final = (
    MessageType("join_room", incoming=JoinRoom, reply="ack"),
    MessageType("leave_room", incoming=LeaveRoom, reply="ack"),
    MessageType(
        "room_message",
        incoming=RoomIn,
        outgoing=RoomMessage,
        acknowledged=True,
        positioned="room",
        repeatable=True,
        unsolicited=True,
    ),
)
