"""What is particular to Socket.IO: events, namespaces, rooms, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..metrics.histogram import Histogram, Recorder
from ..metrics.meter import safe_text

__all__ = ["OTHER", "EventStats", "NamespaceStats", "RoomStats", "Statistics", "Stats"]

NAMES = 100
"""Namespaces, rooms, reasons, and events that no handler is named after, told apart; those that
come after count as :data:`OTHER`."""

OTHER = "other"
"""Stands for all names that are not told apart."""

_UNFOLDED = 1000
"""Different durations kept before they are sorted into buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStats:
    """What happened to one event of one namespace.

    Attributes:
        received: how often clients sent it to a handler.
        emitted: how often this server emitted it, to however many clients.
        errors: how often its handler raised.
    """

    namespace: str
    event: str
    received: int = 0
    emitted: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceStats:
    """What happened in one namespace.

    Attributes:
        open: clients in it now.
        connected: clients ever let in.
        refused: clients turned away by its connect handler.
        disconnected: clients that left.
        rooms: rooms that the application made, now.
    """

    namespace: str
    open: int = 0
    connected: int = 0
    refused: int = 0
    disconnected: int = 0
    rooms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStats:
    """A room and how many clients of this server are in it."""

    namespace: str
    room: str
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a Socket.IO server has done since it was instrumented.

    Attributes:
        events: one record for each event of each namespace, the busiest first.
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


class Statistics:
    """Counters behind :class:`Stats`. Names may come from clients, so they are bounded."""

    def __init__(self) -> None:
        self.ack = _Durations()
        self.handler = _Durations()
        self._events: dict[tuple[str, str], list[int]] = {}
        self._unnamed = 0
        self._namespaces: dict[str, list[int]] = {}
        self._reasons: dict[str, int] = {}

    def received(self, namespace: str, event: object, *, named: bool) -> None:
        """A client sent an event, and a handler took it, perhaps one of that very name."""
        self._event(namespace, event, named=named)[0] += 1

    def ignored(self) -> None:
        """A client sent an event that nobody handles; its name is of no interest."""
        self._event(OTHER, OTHER, named=True)[0] += 1

    def emitted(self, namespace: str, event: object) -> None:
        """The server emitted an event."""
        self._event(namespace, event)[1] += 1

    def failed(self, namespace: str, event: object) -> None:
        """The handler of an event raised."""
        self._event(namespace, event)[2] += 1

    def connected(self, namespace: str, *, refused: bool) -> None:
        """A client asked to be let in."""
        self._namespace(namespace)[1 if refused else 0] += 1

    def disconnected(self, namespace: str, reason: object) -> None:
        """A client left."""
        self._namespace(namespace)[2] += 1
        name = _text(reason)
        if name not in self._reasons and len(self._reasons) >= NAMES:
            name = OTHER
        self._reasons[name] = self._reasons.get(name, 0) + 1

    def _event(self, namespace: str, event: object, *, named: bool = False) -> list[int]:
        key = (_text(namespace), _text(event))
        if key not in self._events and not named:
            if self._unnamed >= NAMES:
                key = (OTHER, OTHER)
            else:
                self._unnamed += 1
        return self._events.setdefault(key, [0, 0, 0])

    def _namespace(self, namespace: str) -> list[int]:
        key = _text(namespace)
        if key not in self._namespaces and len(self._namespaces) >= NAMES:
            key = OTHER
        return self._namespaces.setdefault(key, [0, 0, 0])

    def stats(
        self,
        rooms: Iterable[tuple[str, str, int]],
        members: Mapping[str, int],
        *,
        upgrades: int,
    ) -> Stats:
        """Everything, as of now.

        Args:
            rooms: namespace, room and members of each room that the application made.
            members: namespace → clients in it.
            upgrades: connections that changed their transport.
        """
        per_namespace: dict[str, int] = {}
        listed = []
        for namespace, room, size in rooms:
            per_namespace[namespace] = per_namespace.get(namespace, 0) + 1
            listed.append((size, _text(namespace), _text(room)))
        listed.sort(key=lambda room: (-room[0], *room[1:]))
        events = sorted(self._events.items(), key=lambda item: (-sum(item[1][:2]), item[0]))
        return Stats(
            events=tuple(
                EventStats(namespace=ns, event=name, received=r, emitted=e, errors=x)
                for (ns, name), (r, e, x) in events
            ),
            namespaces=tuple(
                NamespaceStats(
                    namespace=name,
                    open=members.get(name, 0),
                    connected=connected,
                    refused=refused,
                    disconnected=disconnected,
                    rooms=per_namespace.get(name, 0),
                )
                for name, (connected, refused, disconnected) in sorted(self._namespaces.items())
            ),
            rooms=tuple(
                RoomStats(namespace=namespace, room=room, members=size)
                for size, namespace, room in listed[:NAMES]
            ),
            reasons=dict(self._reasons),
            upgrades=upgrades,
            ack=self.ack.histogram(),
            handler=self.handler.histogram(),
        )


class _Durations:
    """A histogram over a lifetime, in bounded memory."""

    def __init__(self) -> None:
        self._before = Histogram.empty()
        self._recorder = Recorder()

    def record(self, seconds: float) -> None:
        self._recorder.record(seconds)
        if len(self._recorder.steps) >= _UNFOLDED:
            self._before = Histogram.merged((self._before, self._recorder.take()))

    def histogram(self) -> Histogram:
        return Histogram.merged((self._before, self._recorder.peek()))


def _text(name: object) -> str:
    return safe_text(str(name)) or ""
