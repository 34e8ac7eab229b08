"""Totals of Socket.IO servers: events, namespaces, rooms, acknowledgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .histogram import Histogram

__all__ = ["EventStats", "NamespaceStats", "RoomStats", "SocketIOStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStats:
    """Totals of one event of one namespace.

    Attributes:
        received: how often clients sent it to a handler.
        emitted: how often this server emitted it, to however many clients; None for a hub, which
            does not send through python-socketio.
        errors: how often its handler raised.
    """

    namespace: str
    event: str
    received: int = 0
    emitted: int | None = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceStats:
    """Totals of one namespace.

    Attributes:
        open: clients in it now.
        connected: clients ever let in.
        refused: clients turned away by its connect handler.
        disconnected: clients that left.
        rooms: rooms that the application made, now; None for a hub, whose rooms are not
            python-socketio's.
        memberships: clients in those rooms, each as often as it is in one; None for a hub.
    """

    namespace: str
    open: int = 0
    connected: int = 0
    refused: int = 0
    disconnected: int = 0
    rooms: int | None = 0
    memberships: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStats:
    """A room and how many clients of this server are in it."""

    namespace: str
    room: str
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIOStats:
    """Totals of a Socket.IO server since it was instrumented.

    Attributes:
        events: one record for each event of each namespace, the busiest first; those that handlers
            are named after are there from the start.
        namespaces: one record for each namespace, by name.
        rooms: the largest rooms, the largest first.
        reasons: python-socketio's reason → how many clients left a namespace for it.
        upgrades: connections that began by polling and went on over a WebSocket.
        ack: how long clients took to acknowledge, seconds from ``emit`` to the callback.
        handler: how long handlers of events took, seconds.
    """

    events: tuple[EventStats, ...]
    namespaces: tuple[NamespaceStats, ...]
    rooms: tuple[RoomStats, ...]
    reasons: Mapping[str, int]
    upgrades: int
    ack: Histogram
    handler: Histogram
