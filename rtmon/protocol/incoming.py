"""What a client may say: one typed payload a message type.

Names are in snake_case; fields called ``roomId``, ``targetClientId`` and so on are other
spellings of the field above them, taken on input only.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec

from . import limits
from .files import Accept, FileAbort, FileChunk, FileDone, FileMetadata, FileOffer
from .values import Count, Id, Name, Text, Token, check_data, check_info, check_number

__all__ = [
    "INCOMING",
    "BatchIn",
    "BatchSpec",
    "Carrier",
    "ChatIn",
    "Connect",
    "Disconnect",
    "HistoryIn",
    "JoinRoom",
    "LeaveRoom",
    "Ping",
    "Pong",
    "Position",
    "PresenceIn",
    "PrivateIn",
    "Publish",
    "Refresh",
    "RoomIn",
    "Subscribe",
    "Typing",
    "Unsubscribe",
]


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """All payloads are immutable, and their fields are given by name."""


def _required(value: str | None, field: str) -> str:
    if value is None:
        raise ValueError(f"{field} is missing")
    return value


class Carrier:
    """What the payloads share whose ``data`` may be bytes as a whole.

    Not a struct: two structs with fields of their own cannot both be bases of a third.
    """

    __slots__ = ()

    data: Any
    encoding: str | None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            self.content()
        elif not isinstance(self.data, bytes):
            check_data(self.data)

    def content(self) -> Any:
        """What is carried: ``data``, decoded if it is encoded.

        Raises:
            TypeError, ValueError: it is not base64.
        """
        if self.encoding is None or isinstance(self.data, bytes):
            return self.data
        if not isinstance(self.data, str):
            raise TypeError("data must be base64, as encoding says")
        return base64.b64decode(self.data, validate=True)


class Position(_Payload, frozen=True, kw_only=True):
    """A place in a channel's history: after the publication with this offset."""

    epoch: Id
    offset: Count


class BatchSpec(_Payload, frozen=True, kw_only=True):
    """How many messages to collect, or how long (seconds), before they are sent as one."""

    size: Annotated[int, msgspec.Meta(ge=1, le=limits.BATCH_MAX_MESSAGES)] = 10
    delay: Annotated[float, msgspec.Meta(gt=0, le=limits.BATCH_MAX_DELAY)] = 0.1


class Connect(_Payload, frozen=True, kw_only=True):
    """Introduces the client; may be sent again to change something.

    Attributes:
        token: who the client is, where the server asks.
    """

    token: Token | None = None
    name: Name | None = None
    user: Name | None = None
    info: Any = None
    session: Id | None = None
    batch: BatchSpec | bool | None = None
    heartbeat: (
        Annotated[float, msgspec.Meta(ge=limits.HEARTBEAT_MIN, le=limits.HEARTBEAT_MAX)] | None
    ) = None

    def __post_init__(self) -> None:
        check_info(self.info)
        check_number(self.heartbeat)


class Refresh(_Payload, frozen=True, kw_only=True):
    """Shows a fresh token, before the one shown last expires."""

    token: Token


class Disconnect(_Payload, frozen=True, kw_only=True):
    """Asks for an orderly end."""

    reason: Text = ""


class Ping(_Payload, frozen=True, kw_only=True):
    """Asks for a ``pong``."""

    timestamp: int | float | None = None

    def __post_init__(self) -> None:
        check_number(self.timestamp)


class Pong(Ping, frozen=True, kw_only=True):
    """Answers the server's ``ping``."""


class _Room(_Payload, frozen=True, kw_only=True):
    room: Name | None = None
    room_id: Name | None = msgspec.field(name="roomId", default=None)

    @property
    def where(self) -> str | None:
        """The room, however it was spelled."""
        return self.room or self.room_id


class ChatIn(_Room, frozen=True, kw_only=True):
    """Speaks to everybody, or to a room."""

    text: Text
    echo: bool | None = None
    ack: bool = False


class RoomIn(Carrier, _Room, frozen=True, kw_only=True):
    """Speaks to a room that one is in."""

    text: Text | None = None
    data: Any = None
    encoding: Literal["base64"] | None = None
    echo: bool | None = None
    ack: bool = False

    def __post_init__(self) -> None:
        _required(self.where, "room")
        super().__post_init__()


class PrivateIn(Carrier, _Payload, frozen=True, kw_only=True):
    """Speaks to one client."""

    to: Id | None = None
    target: Id | None = msgspec.field(name="targetClientId", default=None)
    target_client_id: Id | None = None
    text: Text | None = None
    data: Any = None
    encoding: Literal["base64"] | None = None
    ack: bool = False

    def __post_init__(self) -> None:
        _required(self.where, "to")
        super().__post_init__()

    @property
    def where(self) -> str | None:
        """The client, however it was spelled."""
        return self.to or self.target or self.target_client_id


class Typing(_Room, frozen=True, kw_only=True):
    """Says that somebody began, or stopped, to write: to everybody, a room or one client."""

    to: Id | None = None


class JoinRoom(_Room, frozen=True, kw_only=True):
    """Enters a room; with ``since`` gets what was said since."""

    since: Position | None = None

    def __post_init__(self) -> None:
        _required(self.where, "room")


class LeaveRoom(_Room, frozen=True, kw_only=True):
    """Leaves a room, or without one all rooms."""


class Subscribe(_Payload, frozen=True, kw_only=True):
    """Asks for what is published to a channel, or to those that a pattern matches."""

    channel: Name
    since: Position | None = None


class Unsubscribe(_Payload, frozen=True, kw_only=True):
    """Ends a subscription."""

    channel: Name


class Publish(Carrier, _Payload, frozen=True, kw_only=True):
    """Publishes to a channel."""

    channel: Name
    data: Any = None
    encoding: Literal["base64"] | None = None
    ack: bool = False


class PresenceIn(_Room, frozen=True, kw_only=True):
    """Asks who is here: in a channel, in a room, or on the server."""

    channel: Name | None = None


class HistoryIn(_Room, frozen=True, kw_only=True):
    """Asks for what was published to a channel, a room, or everybody."""

    channel: Name | None = None
    since: Position | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=limits.HISTORY_PAGE)] = 100


class BatchIn(_Payload, frozen=True, kw_only=True):
    """Several messages in one."""

    messages: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=limits.BATCH_MAX_MESSAGES)]


INCOMING: dict[str, type[msgspec.Struct]] = {
    "ack": Accept,
    "batch": BatchIn,
    "chat_message": ChatIn,
    "connect": Connect,
    "disconnect": Disconnect,
    "file_abort": FileAbort,
    "file_chunk": FileChunk,
    "file_done": FileDone,
    "file_metadata": FileMetadata,
    "file_offer": FileOffer,
    "history": HistoryIn,
    "join_room": JoinRoom,
    "leave_room": LeaveRoom,
    "ping": Ping,
    "pong": Pong,
    "presence": PresenceIn,
    "private_message": PrivateIn,
    "publish": Publish,
    "refresh": Refresh,
    "room_message": RoomIn,
    "subscribe": Subscribe,
    "typing_end": Typing,
    "typing_start": Typing,
    "unsubscribe": Unsubscribe,
}
"""Message type → the payload that a client sends with it."""
