"""Counters of a Socket.IO server: events, namespaces, rooms, acknowledgements."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...metrics.histogram import HistogramRecorder
from ...metrics.safe_text import safe_text
from ...metrics.socketio import EventStats, NamespaceStats, RoomStats, SocketIOStats

if TYPE_CHECKING:
    from ...metrics.histogram import Histogram

__all__ = ["OTHER", "Statistics"]

NAMES = 100
"""Namespaces, rooms, reasons, and events that no handler is named after, told apart; those that
come after count as :data:`OTHER`."""

OTHER = "other"
"""Stands for all names that are not told apart."""


class Statistics:
    """Counters behind :class:`~rtmon.metrics.socketio.SocketIOStats`.

    Names may come from clients, so they are bounded. What has been told apart once always is, so
    no counter ever falls.

    Args:
        managed: False if the server's rooms and events that it emits are not python-socketio's.

    Attributes:
        ack: how long acknowledgements took.
        handler: how long handlers took.
    """

    def __init__(self, *, managed: bool = True) -> None:
        self._managed = managed
        self.ack = Durations()
        self.handler = Durations()
        self._events: dict[tuple[str, str], list[int]] = {}
        self._unnamed = 0
        self._namespaces: dict[str, list[int]] = {}
        self._reasons: dict[str, int] = {}

    def expect(self, namespace: str, events: Iterable[str]) -> None:
        """There are handlers for these events: count them from 0, not from their first time."""
        self._namespace(namespace)
        for event in events:
            self._event(namespace, event, named=True)

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
        return self._namespaces.setdefault(self._told_apart(namespace), [0, 0, 0])

    def _told_apart(self, namespace: str) -> str:
        key = _text(namespace)
        known = key in self._namespaces or len(self._namespaces) < NAMES
        return key if known else OTHER

    def stats(
        self,
        rooms: Iterable[tuple[str, str, int]],
        members: Mapping[str, int],
        *,
        upgrades: int,
    ) -> SocketIOStats:
        """Everything, as of now.

        Args:
            rooms: namespace, room and members of each room that the application made.
            members: namespace → clients in it.
            upgrades: connections that changed their transport.
        """
        listed = list(rooms)
        now = {namespace: [count, 0, 0] for namespace, count in members.items()}
        for namespace, _, count in listed:
            counts = now.setdefault(namespace, [0, 0, 0])
            counts[1] += 1
            counts[2] += count
        here = self._told(now)
        largest = heapq.nsmallest(NAMES, listed, key=lambda room: (-room[2], *room[:2]))
        events = sorted(self._events.items(), key=lambda item: (-sum(item[1][:2]), item[0]))
        return SocketIOStats(
            events=tuple(
                EventStats(
                    namespace=ns,
                    event=name,
                    received=r,
                    emitted=e if self._managed else None,
                    errors=x,
                )
                for (ns, name), (r, e, x) in events
            ),
            namespaces=tuple(
                NamespaceStats(
                    namespace=name,
                    open=here.get(name, _NOBODY)[0],
                    connected=connected,
                    refused=refused,
                    disconnected=disconnected,
                    rooms=here.get(name, _NOBODY)[1] if self._managed else None,
                    memberships=here.get(name, _NOBODY)[2] if self._managed else None,
                )
                for name, (connected, refused, disconnected) in sorted(self._namespaces.items())
            ),
            rooms=tuple(
                RoomStats(namespace=_text(namespace), room=_text(room), members=count)
                for namespace, room, count in largest
            ),
            reasons=dict(self._reasons),
            upgrades=upgrades,
            ack=self.ack.histogram(),
            handler=self.handler.histogram(),
        )

    def _told(self, now: Mapping[str, list[int]]) -> dict[str, list[int]]:
        """What is the case in each namespace, by the name under which it is told."""
        told: dict[str, list[int]] = {}
        for namespace, counts in now.items():
            self._namespace(namespace)  # there may be clients from before anything was counted
            before = told.get(self._told_apart(namespace), _NOBODY)
            told[self._told_apart(namespace)] = [*map(sum, zip(before, counts, strict=True))]
        return told


_NOBODY = [0, 0, 0]
"""Clients, rooms and memberships of a namespace that nobody is in."""


class Durations:
    """A histogram over a lifetime, which another thread may read."""

    def __init__(self) -> None:
        self._recorder = HistogramRecorder()
        self._lock = threading.Lock()

    def record(self, seconds: float) -> None:
        """Add one."""
        with self._lock:
            self._recorder.record(seconds)

    def histogram(self) -> Histogram:
        """All of them."""
        with self._lock:
            return self._recorder.peek()


def _text(name: object) -> str:
    return safe_text(str(name)) or ""
