"""The row class of the message catalog: one message type, its payloads and its properties."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias

import msgspec

__all__ = ["MessageType", "PlaceKind"]

PlaceKind: TypeAlias = Literal["chat", "room", "channel"]
"""The kinds of place that have a history. The payload of a publication names its room in the field
``room``, or its channel in the field ``channel``."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """One message type: a row of the catalog.

    Attributes:
        name: the ``type`` in the envelope.
        incoming: payload struct of a message from a client; None if clients do not send this type.
        outgoing: payload struct of a message from the server; None if the server does not send it.
        reply: type of the server's answer. The server always sends it, unless it answers ``error``.
        acknowledged: True if the server answers with ``ack`` when the payload has ``ack: true``.
        positioned: ``channel``, ``room`` or ``chat`` if the server's messages of this type are
            publications, which have a position in the history of such a place; else None.
        repeatable: True if a client may send the message again under the same id after a reconnect.
            It takes effect once.
        ephemeral: True if the message is useless after a delay. An offline client then does not
            queue the message.
        heartbeat: True if the message does not count as activity of the client for
            ``idle_timeout``.
        unsolicited: True if the server sends it without a request. Clients pass it to their
            handlers.
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
