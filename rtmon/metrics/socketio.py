"""Records with the totals of a Socket.IO server: events, namespaces, rooms, acknowledgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .histogram import Histogram

__all__ = ["EventStats", "NamespaceStats", "RoomStats", "SocketIOStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStats:
    """Totals of one Socket.IO event in one namespace.

    Attributes:
        namespace: the namespace.
        event: name of the event.
        received: number of times that a client sent the event and a handler was called.
        emitted: number of times that this server emitted the event. An emit to many clients
            counts once. None for a hub, which does not send through python-socketio.
        errors: number of times that a handler of the event raised an exception.
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
        namespace: the namespace.
        open: number of clients that are connected to the namespace now.
        connected: number of clients that have connected so far.
        refused: number of clients that the namespace's connect handler refused.
        disconnected: number of clients that have disconnected so far.
        rooms: number of rooms that exist now and were created by the application; None for a hub,
            which does not use the rooms of python-socketio.
        memberships: sum of the numbers of clients in these rooms; None for a hub.
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
    """A Socket.IO room, and the number of this server's clients in the room (``members``)."""

    namespace: str
    room: str
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIOStats:
    """Totals of a Socket.IO server since a probe was attached to it.

    Attributes:
        events: one record for each event of each namespace, busiest first. Events that have a
            handler are listed even if they have not occurred.
        namespaces: one record for each namespace, sorted by name.
        rooms: the rooms with the most clients, largest first.
        reasons: disconnect reason of python-socketio → number of clients that disconnected from a
            namespace for this reason.
        upgrades: number of connections that began with HTTP polling and then upgraded to a
            WebSocket.
        ack: times that clients took to acknowledge an event, from ``emit`` to the callback.
        handler: durations of event handlers.
    """

    events: tuple[EventStats, ...]
    namespaces: tuple[NamespaceStats, ...]
    rooms: tuple[RoomStats, ...]
    reasons: Mapping[str, int]
    upgrades: int
    ack: Histogram
    handler: Histogram
