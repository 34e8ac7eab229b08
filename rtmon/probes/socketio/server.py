"""The probe for python-socketio: counts what the connections of an ``AsyncServer`` do.

A connection is an Engine.IO session, over any transport. A message is a Socket.IO event or
acknowledgement with its binary attachments. Its payload is the data as Socket.IO encoded it,
without Engine.IO's packet types, separators and base64. Connecting to a namespace and leaving it
are control messages, which are counted separately, like a WebSocket's control frames.

python-socketio has no interface for measuring. So the probe wraps methods of the one server that it
is given, as python-socketio's own admin interface does; no class is changed. The probe imports
neither python-socketio nor an ASGI framework. An error in it never reaches the server; it is
counted and logged.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import OptionError
from ...metrics.socketio import EventStats, NamespaceStats, RoomStats, SocketIOStats
from ..base import attempt, instrumented
from .engineio_sessions import EngineIOSession, EngineIOSessions
from .stats import OTHER, Statistics
from .table_rows import rows

if TYPE_CHECKING:
    from ...metrics.meter import Meter
    from ...metrics.monitor_interfaces import Recorder
    from ...metrics.records import SocketIOInfo

__all__ = [
    "EventStats",
    "Instrument",
    "NamespaceStats",
    "RoomStats",
    "SocketIOStats",
    "instrument",
]

_NEEDED = (
    "_trigger_event",
    "handlers",
    "namespace_handlers",
    "not_handled",
    "eio.handle_request",
    "eio.handlers",
    "eio.sockets",
    "eio.transport",
    "manager.emit",
    "manager.eio_sid_from_sid",
    "manager.pending_disconnect",
    "manager.rooms",
)
"""Attributes of a server that the probe uses."""

_ANY = "*"
"""Name under which python-socketio has the handlers for all other namespaces or events."""

_NO_EVENTS = frozenset({"connect", "disconnect", _ANY})
"""Names of handlers that are not called for an event of the same name."""


def instrument(sio: Any, monitor: Recorder) -> Instrument:
    """Count what a ``socketio.AsyncServer`` does, from its next connection on.

    Args:
        sio: the server, of ``AsyncServer`` or a class derived from it. It may already be attached
            to an aiohttp, Sanic or Tornado application, or wrapped in an ``ASGIApp``.
        monitor: the Monitor that records the connections.

    Returns:
        The probe. A second call for the same server and Monitor returns the same probe.

    Raises:
        OptionError: this kind or version of server cannot be measured, or another Monitor measures
            it.
    """
    make = functools.partial(Instrument, sio, monitor)
    return instrumented(sio, monitor, make, alone="Socket.IO server")


class Instrument:
    """The probe of one Socket.IO server; made by :func:`instrument`.

    Attributes:
        monitor: the Monitor that records the connections.
    """

    def __init__(self, sio: Any, monitor: Recorder) -> None:
        _check(sio)
        self.monitor = monitor
        self._sio = sio
        self._statistics = Statistics(managed=getattr(sio, "managed", True))
        self._sessions = EngineIOSessions(sio.eio, monitor)
        self._now = monitor.clock.monotonic
        self._retried: set[str] = set()
        self._attempt = functools.partial(attempt, monitor)
        monitor.collector.expect("socketio")
        monitor.collector.measure_socketio(self)
        sio._trigger_event = self._triggering(sio._trigger_event)  # noqa: SLF001 - no public hook
        sio.manager.emit = self._emitting(sio.manager.emit)

    def meter(self, sid: str, namespace: str = "/") -> Meter | None:
        """Return the Meter of a client's connection. The application may set its ``name``.

        Args:
            sid: the client's session id, as handlers get it.
            namespace: the namespace of this id.

        Returns:
            The Meter; None if the client has disconnected or is not counted.
        """
        session = self._session(sid, namespace)
        return None if session is None else session.meter

    def _session(self, sid: str, namespace: str) -> EngineIOSession | None:
        return self._sessions.open.get(self._sio.manager.eio_sid_from_sid(sid, namespace))

    def stats(self) -> SocketIOStats:
        """Return the statistics of events, namespaces, rooms and acknowledgements, as of now."""
        for namespace, events in _expected(self._sio):
            self._statistics.expect(namespace, events)
        manager = self._sio.manager
        return self._statistics.stats(
            _own_rooms(manager.rooms), _members(manager), upgrades=self._sessions.upgrades
        )

    def event_failed(self, namespace: str, event: str | None) -> None:
        """Count an event that the application has answered with an error, without raising.

        Args:
            namespace: the namespace that the client sent the event to.
            event: the event's name; None if the application has no handler of that name.
        """
        if event is None:
            namespace = event = OTHER
        self._attempt(self._statistics.failed, namespace, event)

    def totals(self) -> SocketIOStats | None:
        """Return the same as :meth:`stats`, for feeds of the Monitor; None if that raises."""
        try:
            return self.stats()
        except Exception as exc:
            self.monitor.probe_failed(exc)
            return None

    def rows(self) -> list[SocketIOInfo]:
        """Return the statistics as rows of the Socket.IO table."""
        totals = self.totals()
        return [] if totals is None else rows(totals)

    def _triggering(self, original: Callable[..., Awaitable[Any]]) -> Any:
        async def trigger_event(event: Any, namespace: str, *args: Any, **kwargs: Any) -> Any:
            began = self._now()
            try:
                answer = await original(event, namespace, *args, **kwargs)
            except Exception as exc:
                self._attempt(self._failed, exc, event, namespace, args)
                raise
            self._attempt(self._handled, answer, event, namespace, args, began)
            return answer

        return trigger_event

    def _handled(
        self, answer: Any, event: Any, namespace: str, args: tuple[Any, ...], began: float
    ) -> None:
        statistics = self._statistics
        if event == "connect":
            self._retried.discard(args[0])
            statistics.connected(namespace, refused=answer is False)
        elif event == "disconnect":
            statistics.disconnected(namespace, args[1] if len(args) > 1 else "unknown")
        elif answer is self._sio.not_handled:
            statistics.ignored()
        else:
            self._took(self._now() - began, namespace, args)
            statistics.received(namespace, event, named=self._names(event, namespace))

    def _names(self, event: Any, namespace: str) -> bool:
        """Return True if the application has a handler for exactly this event."""
        by_class = self._sio.namespace_handlers.get(namespace)
        return event in self._sio.handlers.get(namespace, ()) or hasattr(by_class, f"on_{event}")

    def _took(self, seconds: float, namespace: str, args: tuple[Any, ...]) -> None:
        self._statistics.handler.record(seconds)
        meter = self.meter(args[0], namespace)
        if meter is not None:
            meter.handler.record(seconds)
            meter.handler_time += seconds

    def _failed(self, exc: Exception, event: Any, namespace: str, args: tuple[Any, ...]) -> None:
        statistics = self._statistics
        if event == "connect":
            # Compared by name: Python and python-socketio both have a class of this name.
            if type(exc).__name__ == "ConnectionRefusedError":
                statistics.connected(namespace, refused=True)
                return
            if isinstance(exc, TypeError) and self._tried_again(*args):
                return
        elif event == "disconnect":
            statistics.disconnected(namespace, args[1] if len(args) > 1 else "unknown")
        else:
            statistics.received(namespace, event, named=self._names(event, namespace))
        statistics.failed(namespace, event)
        session = self._session(args[0], namespace)
        if session is not None:
            session.handler_failed(exc)

    def _tried_again(self, sid: str, _environ: Any, auth: object = None) -> bool:
        """Return True if python-socketio will call the connect handler again.

        If a client sent no ``auth`` and the handler raises TypeError, python-socketio calls the
        handler a second time. Up to version 5.16 the first call is without the argument ``auth``
        and the second with it; from 5.17 on it is the other way round.
        """
        if auth is not None or sid in self._retried:
            self._retried.discard(sid)
            return False
        self._retried.add(sid)
        return True

    def _emitting(self, original: Callable[..., Awaitable[Any]]) -> Any:
        async def emit(event: Any, data: Any, namespace: str, *args: Any, **kwargs: Any) -> Any:
            self._attempt(self._emitted, event, namespace, kwargs)
            return await original(event, data, namespace, *args, **kwargs)

        return emit

    def _emitted(self, event: Any, namespace: str, kwargs: dict[str, Any]) -> None:
        self._statistics.emitted(namespace, event)
        callback = kwargs.get("callback")
        if callback is not None:
            kwargs["callback"] = self._timed(callback)

    def _timed(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        began = self._now()

        @functools.wraps(callback)
        def acknowledged(*args: Any) -> Any:
            self._attempt(self._acknowledged, began)
            return callback(*args)

        return acknowledged

    def _acknowledged(self, began: float) -> None:
        self._statistics.ack.record(self._now() - began)


def _check(sio: Any) -> None:
    if not getattr(sio, "is_asyncio_based", lambda: False)():
        raise OptionError(
            f"{type(sio).__name__} cannot be measured: rtmon measures a socketio.AsyncServer"
        )
    for name in _NEEDED:
        owner = sio
        for part in name.split("."):
            if not hasattr(owner, part):
                raise OptionError(
                    f"this version of python-socketio has no AsyncServer.{name}, which measuring "
                    "needs; install a version that rtmon is tested with: "
                    "pip install 'rtmon[socketio]', or in a clone pip install -e '.[socketio]'"
                )
            owner = getattr(owner, part)


def _expected(sio: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield each namespace, and the events for which the application has handlers."""
    for namespace, handlers in list(sio.handlers.items()):
        if namespace != _ANY:
            yield namespace, [event for event in list(handlers) if event not in _NO_EVENTS]
    for namespace, handler in list(sio.namespace_handlers.items()):
        if namespace != _ANY:
            events = [name[3:] for name in dir(handler) if name.startswith("on_")]
            yield namespace, [event for event in events if event not in _NO_EVENTS]


def _members(manager: Any) -> dict[str, int]:
    """Return the number of clients in each namespace, without those that are joining or leaving."""
    members = {}
    for namespace, named in list(manager.rooms.items()):
        everybody = named.get(None, {})
        moving = {
            sid
            # The oldest supported versions have no ``pending_connect``.
            for pending in (getattr(manager, "pending_connect", {}), manager.pending_disconnect)
            for sid in list(pending.get(namespace, ()))
        }
        members[namespace] = len(everybody) - sum(sid in everybody for sid in moving)
    return members


def _own_rooms(rooms: Mapping[str, Mapping[Any, Any]]) -> Iterator[tuple[str, str, int]]:
    """Yield namespace, name and size of each room that the application made.

    Each namespace also has a room of all clients, and one room per client; these are omitted.
    """
    for namespace, named in list(rooms.items()):
        # Thousands of clients have a room each: a set operation excludes them all at once.
        for room in named.keys() - {None, *named.get(None, ())}:
            yield namespace, str(room), len(named.get(room, ()))
