"""Where a client is in every place at once, as one text that it gives back when it returns. Pure.

An event stream and Socket.IO each have a client remember one such text: the ``id`` of the last
event (HTML Standard, 9.2.4, ``Last-Event-ID``), and the offset of connection state recovery.
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
"""Longest text. It comes back in a header, of which many servers and proxies take 8 KiB; past it
the places that have been quiet longest are left out, and are not returned to."""


class _Where(msgspec.Struct):
    """What a publication says of its place."""

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
    """The places that a decoded message takes its receiver further in, and how far."""
    kind, payload = message["type"], message["payload"]
    if kind == "batch":
        return [move for inner in payload["messages"] for move in moves(inner)]
    place = POSITIONED.get(kind)
    if place is None:
        return []
    where = msgspec.convert(payload, _Where)
    return [(_KEYS[place](where), Position(epoch=where.epoch, offset=where.offset))]


class ClientPositions:
    """The places a client is in, and the last that it was sent of each; a pattern has none."""

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
        """The client is in a place, and has what was published there up to a position."""
        self._at.pop(key, None)
        self._at[key] = at

    def left(self, key: str) -> None:
        """The client is there no longer."""
        self._at.pop(key, None)

    def sent(self, further: Iterable[tuple[str, Position]]) -> bool:
        """The client is sent what makes these :func:`moves`. Returns whether it was in one."""
        moved = False
        for key, at in further:
            if self._at.get(key) is not None:
                self.entered(key, at)
                moved = True
        return moved

    @staticmethod
    def parse(text: str) -> dict[str, Position | None]:
        """Place → the position to return with.

        Raises:
            ProtocolError: the text is none that was ever given out.
        """
        found: dict[str, Position | None] = {}
        try:
            for key, value in parse_qsl(
                text[:TEXT_LENGTH], keep_blank_values=True, strict_parsing=True
            ):
                offset, _, epoch = value.partition(".")
                fields = {"epoch": epoch, "offset": int(offset[:18])} if value else None
                found[key] = msgspec.convert(fields, Position | None)
        except ValueError:  # msgspec.ValidationError is one
            raise ProtocolError(
                "invalid_position",
                "The last event's id is none that this server gives out: return with the one that "
                "you got last, as it is.",
            ) from None
        return found
