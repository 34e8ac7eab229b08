"""Message types of the public chat, private messages, typing indicators and notifications."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

import msgspec

from .. import alternative_spellings
from ..field_types import Id, Text
from ..message_type import MessageType
from ..payload_bases import DataIn, DataOut, PayloadOut, required

__all__ = [
    "ChatIn",
    "ChatMessage",
    "Notification",
    "PrivateIn",
    "PrivateMessage",
    "Typing",
    "TypingNote",
]


class ChatIn(alternative_spellings.Room, frozen=True, kw_only=True):
    """Sends a chat message to all clients or, with ``room``, to the members of a room."""

    text: Text
    echo: bool | None = None
    ack: bool = False


class ChatMessage(PayloadOut, frozen=True, kw_only=True):
    """A client has sent a chat message to all clients."""

    client_id: str
    name: str
    text: str
    timestamp: int
    epoch: str
    offset: int


class PrivateIn(DataIn, alternative_spellings.Receiver, frozen=True, kw_only=True):
    """Sends a private message to one client."""

    spelled: ClassVar = ("to",)

    text: Text | None = None
    data: Any = None
    encoding: Literal["base64"] | None = None
    ack: bool = False

    def __post_init__(self) -> None:
        required(self.where, "to")
        super().__post_init__()


class PrivateMessage(DataOut, frozen=True, kw_only=True):
    """A client has sent a private message to the receiving client.

    Attributes:
        sender: client id of the sender.
        user: user id of the sender.
        to: client id of the receiver.
    """

    sender: str = msgspec.field(name="from")
    name: str
    user: str | None = None
    to: str
    timestamp: int
    text: str | None = None


class Typing(alternative_spellings.Room, frozen=True, kw_only=True):
    """Reports that the client's user began or stopped typing.

    Without ``room`` and ``to``, all clients are informed.
    """

    to: Id | None = None


class TypingNote(PayloadOut, frozen=True, kw_only=True):
    """A client's user began or stopped typing.

    Attributes:
        client_id: the client whose user is typing.
        name: display name of that client.
        room: the room in which the user is typing; omitted in the chat and in a private chat.
        to: id of the only receiver; omitted if the message is for all clients or for a room.
    """

    client_id: str
    name: str
    room: str | None = None
    to: str | None = None


class Notification(DataOut, frozen=True, kw_only=True):
    """A notification from the server for one user, sent to all connections of that user."""

    title: str
    text: str = ""
    level: str = "info"


MESSAGE_TYPES: Final = (
    MessageType(
        "chat_message",
        incoming=ChatIn,
        outgoing=ChatMessage,
        acknowledged=True,
        positioned="chat",
        repeatable=True,
        unsolicited=True,
    ),
    MessageType(
        "private_message",
        incoming=PrivateIn,
        outgoing=PrivateMessage,
        acknowledged=True,
        unsolicited=True,
    ),
    MessageType(
        "typing_start", incoming=Typing, outgoing=TypingNote, ephemeral=True, unsolicited=True
    ),
    MessageType(
        "typing_end", incoming=Typing, outgoing=TypingNote, ephemeral=True, unsolicited=True
    ),
    MessageType("notification", outgoing=Notification, unsolicited=True),
)
