"""A client's positions in all rooms and channels as one text, which it sends when it reconnects.

Two transports let clients remember such a text. In an event stream it is the ``id`` of the last
event, returned as ``Last-Event-ID`` (HTML Standard, 9.2.4). In Socket.IO it is the offset of
connection state recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from ...errors import ProtocolError
from ...protocol.catalog import POSITIONED, Position
from ...protocol.message_type import PlaceKind
from ..room_channel_keys import CHAT, channel_key, room_key

__all__ = ["TEXT_LENGTH", "ClientPositions", "moves"]

TEXT_LENGTH = 4_096
"""Maximum length of the text with a client's positions. The client returns the text in a header,
for which many servers and proxies allow 8 KiB. If the text would be longer, the rooms and channels
that have been silent longest are omitted. They are then not recovered."""


class _Where(msgspec.Struct):
    """The fields of a publication that identify its room or channel, and its position."""

    epoch: str = ""
    offset: int = 0
    room: str = ""
    channel: str = ""


_KEYS: dict[PlaceKind, Callable[[_Where], str]] = {
    "chat": lambda _: CHAT,
    "room": lambda where: room_key(where.room),
    "channel": lambda where: channel_key(where.channel),
}


def moves(message: dict[str, Any]) -> list[tuple[str, Position]]:
    """Return the positions that a client reaches by receiving a message.

    Args:
        message: a decoded message; a batch counts as the messages in it.

    Returns:
        (key of the room, channel or chat, position) for each publication.
    """
    kind, payload = message["type"], message["payload"]
    if kind == "batch":
        return [move for inner in payload["messages"] for move in moves(inner)]
    place = POSITIONED.get(kind)
    if place is None:
        return []
    where = msgspec.convert(payload, _Where)
    return [(_KEYS[place](where), Position(epoch=where.epoch, offset=where.offset))]


class ClientPositions:
    """A client's rooms, channels and patterns, with the last position sent in each.

    A pattern has no position.
    """

    def __init__(self) -> None:
        self._at: dict[str, Position | None] = {}

    def __str__(self) -> str:
        parts: list[str] = []
        room = TEXT_LENGTH
        for key, at in reversed(self._at.items()):
            value = "" if at is None else f"{at.offset}.{quote(at.epoch, safe='')}"
            part = f"{quote(key, safe=':*')}={value}"
            room -= len(part) + 1
            if room < 0:
                break
            parts.append(part)
        return "&".join(reversed(parts))

    def entered(self, key: str, at: Position | None) -> None:
        """Record that the client has entered a room or channel at this position.

        ``at`` is None for a pattern.
        """
        self._at.pop(key, None)
        self._at[key] = at

    def left(self, key: str) -> None:
        """Record that the client has left a room or channel."""
        self._at.pop(key, None)

    def sent(self, further: Iterable[tuple[str, Position]]) -> bool:
        """Update the positions by the :func:`moves` of a message that is sent to the client.

        Returns:
            True if a position has changed.
        """
        moved = False
        for key, at in further:
            if self._at.get(key) is not None:
                self.entered(key, at)
                moved = True
        return moved

    @staticmethod
    def parse(text: str) -> dict[str, Position | None]:
        """Parse a text that a returning client has sent. Returns key → position, or None.

        Raises:
            ProtocolError: the text is not one that a server has sent.
        """
        found: dict[str, Position | None] = {}
        try:
            for key, value in parse_qsl(
                text[:TEXT_LENGTH], keep_blank_values=True, strict_parsing=True
            ):
                offset, _, epoch = value.partition(".")
                fields = {"epoch": epoch, "offset": int(offset[:18])} if value else None
                found[key] = msgspec.convert(fields, Position | None)
        except ValueError:  # includes msgspec.ValidationError
            raise ProtocolError(
                "invalid_position",
                "The last event's id is none that this server gives out: return with the one that "
                "you got last, as it is.",
            ) from None
        return found
