"""The columns of the catalog of message types."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias

import msgspec

__all__ = ["MessageType", "PlaceKind"]

PlaceKind: TypeAlias = Literal["chat", "room", "channel"]
"""Kinds of places that have a history. The payload names a room or channel in this field."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """One message type: a row of the catalog.

    Attributes:
        name: ``type`` in the envelope.
        incoming: payload that a client sends; None if clients do not send this type.
        outgoing: payload that the server sends; None if the server does not send this type.
        reply: type of the server's answer, which always comes unless it is an ``error``.
        acknowledged: answered by an ``ack`` if the payload asks for it with ``ack: true``.
        positioned: kind of the place in whose history each message from the server has a position.
        repeatable: may be sent again under the same id after a reconnect, and takes effect once.
        ephemeral: of no use later, so that clients do not queue it while they are offline.
        heartbeat: does not count as activity of the client, which ends ``idle_timeout``.
        unsolicited: the server sends it by itself, and clients pass it to their handlers.
    """

    name: str
    _: KW_ONLY
    incoming: type[msgspec.Struct] | None = None
    outgoing: type[msgspec.Struct] | None = None
    reply: str | None = None
    acknowledged: bool = False
    positioned: PlaceKind | None = None
    repeatable: bool = False
    ephemeral: bool = False
    heartbeat: bool = False
    unsolicited: bool = False
