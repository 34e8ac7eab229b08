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
"""Maximum number of namespaces, rooms, reasons, and events without their own handler that have
separate counters. All others are counted together as :data:`OTHER`."""

OTHER = "other"
"""Name of the counter for all names that do not have their own counter; see :data:`NAMES`."""


class Statistics:
    """The counters from which :class:`~rtmon.metrics.socketio.SocketIOStats` are made.

    Clients choose the names of events, so the number of names with a counter of their own is
    bounded. A name that has its own counter keeps it, so no counter ever decreases.

    Args:
        managed: False if rooms and emitted events are not handled by python-socketio, but by the
            server itself.

    Attributes:
        ack: durations of acknowledgements.
        handler: durations of handler calls.
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
        """Start counters at 0 for events that have handlers, before the events occur."""
        self._namespace(namespace)
        for event in events:
            self._event(namespace, event, named=True)

    def received(self, namespace: str, event: object, *, named: bool) -> None:
        """Count an event that a client sent and a handler received.

        Args:
            namespace: the namespace.
            event: name of the event.
            named: True if the application has a handler for exactly this event.
        """
        self._event(namespace, event, named=named)[0] += 1

    def ignored(self) -> None:
        """Count an event that a client sent and no handler received; its name is not kept."""
        self._event(OTHER, OTHER, named=True)[0] += 1

    def emitted(self, namespace: str, event: object) -> None:
        """Count an event that the server emitted."""
        self._event(namespace, event)[1] += 1

    def failed(self, namespace: str, event: object) -> None:
        """Count an event whose handler raised an exception."""
        self._event(namespace, event)[2] += 1

    def connected(self, namespace: str, *, refused: bool) -> None:
        """Count a client that asked to connect to a namespace, and was accepted or refused."""
        self._namespace(namespace)[1 if refused else 0] += 1

    def disconnected(self, namespace: str, reason: object) -> None:
        """Count a client that left a namespace."""
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
        """Return all statistics, as of now.

        Args:
            rooms: namespace, name and number of members of each room that the application made.
            members: number of clients in each namespace.
            upgrades: number of connections that changed from polling to a WebSocket.
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
        """Return the given counts by the name of each namespace's counter.

        Namespaces above the bound share a counter, so their counts are added up.
        """
        told: dict[str, list[int]] = {}
        for namespace, counts in now.items():
            self._namespace(namespace)  # its clients may have connected before the probe was made
            before = told.get(self._told_apart(namespace), _NOBODY)
            told[self._told_apart(namespace)] = [*map(sum, zip(before, counts, strict=True))]
        return told


_NOBODY = [0, 0, 0]
"""Numbers of clients, rooms and memberships of a namespace without clients."""


class Durations:
    """A histogram of durations since the start; other threads may read it."""

    def __init__(self) -> None:
        self._recorder = HistogramRecorder()
        self._lock = threading.Lock()

    def record(self, seconds: float) -> None:
        """Add a duration in seconds."""
        with self._lock:
            self._recorder.record(seconds)

    def histogram(self) -> Histogram:
        """Return the histogram of all durations."""
        with self._lock:
            return self._recorder.peek()


def _text(name: object) -> str:
    return safe_text(str(name)) or ""
