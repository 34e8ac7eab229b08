"""Message types of presence, joins and leaves, and the history of a room or channel."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from .. import alternative_spellings, limits
from ..field_types import Name
from ..message_type import MessageType
from ..payload_bases import PayloadOut, Position

__all__ = ["History", "HistoryIn", "Member", "People", "Presence", "PresenceIn"]


class Member(PayloadOut, frozen=True, kw_only=True):
    """One client as other clients see it: ids, name and info."""

    client_id: str
    name: str
    user: str | None = None
    info: Any = None


class People(PayloadOut, frozen=True, kw_only=True):
    """Clients have joined or left, or users have come online or gone offline.

    Attributes:
        client_id, name, user: of the first entry of ``users``, for clients that read only one.
        count: number of clients or users that joined or left. ``users`` lists them up to a limit.
        user_count: number of connected clients now, or of members of ``room``. In ``user_online``
            and ``user_offline``, the number of users that are online.
    """

    client_id: str
    name: str
    user_count: int
    count: int
    users: list[Member]
    user: str | None = None
    room: str | None = None


class PresenceIn(alternative_spellings.Room, frozen=True, kw_only=True):
    """Requests the subscribers of a channel, the members of a room, or all clients."""

    channel: Name | None = None


class Presence(PayloadOut, frozen=True, kw_only=True):
    """Lists the subscribers of a channel, the members of a room, or all clients.

    Attributes:
        count: number of these clients. ``members`` lists them only up to a limit.
    """

    count: int
    members: list[Member]
    channel: str | None = None
    room: str | None = None


class HistoryIn(alternative_spellings.Room, frozen=True, kw_only=True):
    """Requests the history of a channel, of a room, or of the public chat."""

    channel: Name | None = None
    since: Position | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=limits.HISTORY_PAGE)] = 100


class History(PayloadOut, frozen=True, kw_only=True):
    """Publications from a history, oldest first, each as a whole message.

    Attributes:
        epoch, offset: the position after the last of ``messages``, for the next request.
        more: true if the history has further messages.
        recovered: false if a publication between ``since`` and the first message is lost.
    """

    epoch: str
    offset: int
    messages: list[msgspec.Raw]
    more: bool
    recovered: bool
    channel: str | None = None
    room: str | None = None


MESSAGE_TYPES: Final = (
    MessageType("user_joined", outgoing=People, unsolicited=True),
    MessageType("user_left", outgoing=People, unsolicited=True),
    MessageType("user_online", outgoing=People, unsolicited=True),
    MessageType("user_offline", outgoing=People, unsolicited=True),
    MessageType(
        "presence", incoming=PresenceIn, outgoing=Presence, reply="presence", repeatable=True
    ),
    MessageType("history", incoming=HistoryIn, outgoing=History, reply="history", repeatable=True),
)
