"""What the server says: one typed payload a message type.

Fields that are null or empty are left out on the wire.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .files import FileNote, FileOffered, FilePart

__all__ = [
    "OUTGOING",
    "Ack",
    "Batch",
    "Carrier",
    "ChatMessage",
    "Error",
    "Expiring",
    "Gap",
    "Goodbye",
    "History",
    "Limits",
    "Member",
    "Notification",
    "People",
    "Presence",
    "PrivateMessage",
    "Publication",
    "RoomMessage",
    "Time",
    "TypingNote",
    "Welcome",
]


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All payloads are immutable, and their fields are given by name."""


class Carrier(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """A payload that carries what its sender likes.

    Attributes:
        data: like JSON, or bytes as a whole.
        encoding: ``base64`` where ``data`` is bytes and the codec has no binary.
    """

    data: Any = None
    encoding: str | None = None


class Limits(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """What a client must know to stay within the limits.

    Attributes:
        message_size: bytes of a message.
        file_chunk: bytes of data in one file chunk.
        rate: messages a second, on average.
        burst: messages at once, before the rate counts.
    """

    message_size: int
    file_chunk: int
    rate: float
    burst: int


class Welcome(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """The first message of every connection, and the answer to ``connect``.

    Attributes:
        client_id: who you are, for as long as this connection lives.
        session: a secret that makes the next connection the same sender (see ``connect``).
        user_count: connections now, this one included.
        epoch, offset: the position of the chat with everybody.
        recovered: after ``connect`` with ``since``: whether nothing was lost.
        ttl: seconds until the token expires that you showed; not there if it does not.
    """

    client_id: str
    name: str
    session: str
    user_count: int
    protocol: str
    server: str
    epoch: str
    offset: int
    limits: Limits
    user: str | None = None
    recovered: bool | None = None
    ttl: float | None = None


class Member(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who is here."""

    client_id: str
    name: str
    user: str | None = None
    info: Any = None


class People(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Who came or went, several in one message when many do.

    The payload of user_joined, user_left, user_online and user_offline.

    Attributes:
        client_id, name, user: the first of ``users``, for clients that look no further.
        count: how many came or went; ``users`` names them, up to a limit.
        user_count: how many are here now: connections for joined and left (of the room, if one
            is named), users for online and offline.
    """

    client_id: str
    name: str
    user_count: int
    count: int
    users: list[Member]
    user: str | None = None
    room: str | None = None


class Time(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """``pong`` gives back the timestamp of the ``ping``; of a ``ping`` without, the server's."""

    timestamp: int | float


class ChatMessage(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody spoke to everybody."""

    client_id: str
    name: str
    text: str
    timestamp: int
    epoch: str
    offset: int


class RoomMessage(Carrier, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody spoke in a room."""

    room: str
    client_id: str
    name: str
    timestamp: int
    epoch: str
    offset: int
    text: str | None = None


class PrivateMessage(Carrier, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody spoke to you alone.

    Attributes:
        user: whose connection it is.
    """

    sender: str = msgspec.field(name="from")
    name: str
    user: str | None = None
    to: str
    timestamp: int
    text: str | None = None


class TypingNote(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody began, or stopped, to write: to everybody, in a room, or to one client."""

    client_id: str
    name: str
    room: str | None = None
    to: str | None = None


class Publication(Carrier, frozen=True, kw_only=True, omit_defaults=True):
    """Something was published to a channel.

    Attributes:
        client_id, name: who published; not there if the server did.
    """

    channel: str
    epoch: str
    offset: int
    data: Any
    client_id: str | None = None
    name: str | None = None


class Presence(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Who is here.

    Attributes:
        count: how many; ``members`` names them, up to a limit.
    """

    count: int
    members: list[Member]
    channel: str | None = None
    room: str | None = None


class History(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """What was published, oldest first, as whole messages.

    Attributes:
        epoch, offset: the position after the last of ``messages``, to ask on from.
        more: whether there is more to ask for.
        recovered: false if something between ``since`` and the first message is lost.
    """

    epoch: str
    offset: int
    messages: list[msgspec.Raw]
    more: bool
    recovered: bool
    channel: str | None = None
    room: str | None = None


class Notification(Carrier, frozen=True, kw_only=True, omit_defaults=True):
    """The server tells a user something, on all of that user's connections."""

    title: str
    text: str = ""
    level: str = "info"


class Batch(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Several messages in one, in order."""

    messages: list[msgspec.Raw]


class Ack(Carrier, frozen=True, kw_only=True, omit_defaults=True):
    """It is done; which fields are there depends on what was asked.

    Attributes:
        epoch, offset: the position of what was published, or where a subscription begins.
        duplicate: the id had been published before; the position is the first one's.
        recovered: after ``since``: whether what follows continues it without a gap.
        recoverable: false for a pattern, which has no position to return to.
        member_count: members of the room, after joining or leaving.
        rooms: the rooms left, where all were.
        file, received: the transfer, and how many of its bytes are here.
        ttl: seconds until the token expires that you showed.
        data: what a handler added by the application returned.
    """

    epoch: str | None = None
    offset: int | None = None
    duplicate: bool | None = None
    recovered: bool | None = None
    recoverable: bool | None = None
    channel: str | None = None
    room: str | None = None
    rooms: list[str] | None = None
    member_count: int | None = None
    file: str | None = None
    received: int | None = None
    chunk: int | None = None
    ttl: float | None = None


class Error(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Something that you sent was not done.

    Attributes:
        code: for programs, see docs/protocol.md.
        message: for people: what was wrong and what to do.
        retry: whether the same message may succeed later.
        retry_after: in how many seconds at the earliest, if that is known.
    """

    code: str
    message: str
    retry: bool
    retry_after: float | None = None


class Expiring(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Your token expires soon: send another one in ``refresh``.

    Attributes:
        ttl: seconds until then; after that the connection is closed with 4001.
    """

    ttl: float


class Gap(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was published where you are is lost, for you and others on your node.

    Attributes:
        channel, room: where; neither for the chat. For a pattern it is not certain.
        epoch, offset: the position now; not there for a pattern.
        recovered: false.
    """

    recovered: bool
    channel: str | None = None
    room: str | None = None
    epoch: str | None = None
    offset: int | None = None


class Goodbye(_Payload, frozen=True, kw_only=True, omit_defaults=True):
    """The server ends the connection; for transports without close codes.

    Attributes:
        code: what it would close a WebSocket with.
        retry: whether to come back.
        retry_after: seconds to stay away at least; not there if it does not matter.
    """

    code: int
    reason: str
    retry: bool
    retry_after: float | None = None


OUTGOING: dict[str, type[msgspec.Struct]] = {
    "ack": Ack,
    "batch": Batch,
    "chat_message": ChatMessage,
    "disconnect": Goodbye,
    "error": Error,
    "file_abort": FileNote,
    "file_chunk": FilePart,
    "file_done": FileNote,
    "file_offer": FileOffered,
    "gap": Gap,
    "history": History,
    "notification": Notification,
    "ping": Time,
    "pong": Time,
    "presence": Presence,
    "private_message": PrivateMessage,
    "publication": Publication,
    "room_message": RoomMessage,
    "token_expiring": Expiring,
    "typing_end": TypingNote,
    "typing_start": TypingNote,
    "user_joined": People,
    "user_left": People,
    "user_offline": People,
    "user_online": People,
    "welcome": Welcome,
}
"""Message type → the payload that the server sends with it."""
