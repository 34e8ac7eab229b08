"""Base class for one run of an ASGI application, which counts its messages.

Application and server act first, so a message that they refuse is not counted. An exception in the
probe never reaches them; it is counted and logged.
"""

from __future__ import annotations

import abc
import asyncio
import functools
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import ConnectionProbe, attempt, peer_address
from ..handler_failure import failed
from .path_templates import template

if TYPE_CHECKING:
    from ...metrics.monitor_interfaces import Recorder

__all__ = [
    "CLAIMS",
    "METER",
    "MONITOR",
    "ASGIConnection",
    "App",
    "ApplicationRun",
    "Message",
    "Receive",
    "Scope",
    "Send",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[Any]]

CLAIMS = "rtmon.claims"
"""Scope key: a mapping of each Monitor to the probe that counts this connection. An inner probe
calls ``stand_aside()`` of the probe that it finds there, so that nothing is counted twice."""

METER = "rtmon.meter"
"""Scope key: the connection's Meter. The application may set its ``name``."""

MONITOR = "rtmon.monitor"
"""Scope key: the connection's Monitor, to which a hub reports the round trips it measures."""

_GONE = frozenset({"ClientDisconnect", "WebSocketDisconnect", "WebSocketDisconnected"})
"""Exceptions that web frameworks raise in a handler when its peer has left: Starlette and FastAPI,
Litestar, Falcon."""


class ASGIConnection(ConnectionProbe):
    """Reports one connection of an ASGI application to a Monitor."""

    __slots__ = ()

    kind = "asgi"


class ApplicationRun(abc.ABC):
    """One call of an ASGI application, with its incoming and outgoing messages.

    Attributes:
        asked: called when the application waits for a message.
        attempt: calls a method of the probe, and catches and counts exceptions.
        gone: exception that the server raised because the peer has left; None if it did not.
    """

    transport: ClassVar[str]

    def __init__(self, monitor: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        self.monitor = monitor
        self.scope = scope
        self._receive = receive
        self._send = send
        self.gone: OSError | None = None
        self.asked: Callable[[], None] = _nothing
        self.attempt: Callable[..., None] = functools.partial(attempt, monitor)
        self._claims: dict[Recorder, ApplicationRun] = scope.setdefault(CLAIMS, {})
        if monitor in self._claims:
            self._claims[monitor].stand_aside()
        self._claims[monitor] = self

    def stand_aside(self) -> None:
        """Stop counting, because an inner probe counts this connection."""
        self.attempt = _nothing

    async def run(self, app: App) -> Any:
        """Call the application. Its result or exception is passed on unchanged."""
        try:
            returned = await app(self.scope, self.receive, self.send)
        except BaseException as exc:
            await self._finish(exc)
            raise
        await self._finish(None)
        return returned

    async def _finish(self, exc: BaseException | None) -> None:
        self.attempt(self.asked)  # the handler has finished its last message, too
        try:
            if exc is None or isinstance(exc, Exception | asyncio.CancelledError):
                await self.hear_the_server_out()
        finally:
            self.attempt(self.ended, exc)
            # These objects refer to each other through the scope and the exception's traceback.
            # Remove the references, so that the garbage collector is not needed.
            self.gone = None
            if self._claims.get(self.monitor) is self:
                del self._claims[self.monitor]

    async def receive(self) -> Message:
        self.attempt(self.asked)
        message = await self._receive()
        self.attempt(self.received, message)
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as exc:  # by this, a server reports that the peer has left (ASGI 2.4)
            self.gone = exc
            raise
        self.attempt(self.sent, message)

    @abc.abstractmethod
    def received(self, message: Message) -> None:
        """Count a message that was passed to the application."""

    @abc.abstractmethod
    def sent(self, message: Message) -> None:
        """Count a message that the server has accepted."""

    async def hear_the_server_out(self) -> None:  # noqa: B027 (a hook)
        """Receive the messages that the server has ready when the application ends.

        This default implementation receives none.
        """

    @abc.abstractmethod
    def ended(self, exc: BaseException | None) -> None:
        """Report that the application has returned, or raised the exception ``exc``."""

    def new_probe(self) -> ASGIConnection:
        """Return a new probe for a connection, whose Meter has the client's address and headers."""
        probe = ASGIConnection(self.monitor, transport=self.transport)
        meter = probe.meter
        self.scope[METER], self.scope[MONITOR] = meter, self.monitor
        client = self.scope.get("client")
        meter.remote = peer_address(tuple(client) if client else None)
        meter.request = self.scope["headers"]
        agents = [value for name, value in self.scope["headers"] if name.lower() == b"user-agent"]
        meter.user_agent = b", ".join(agents).decode("latin-1") or None
        return probe

    def open(self, probe: ASGIConnection) -> None:
        """Report that the connection is open, and its path template.

        The template is known because the framework has chosen a route before it opens a connection.
        """
        probe.meter.path = template(self.scope)
        probe.opened()

    def failed(self, exc: BaseException | None) -> bool:
        """Return True if the application raised an exception that is a failure.

        A cancellation is no failure, nor is an exception that only means that the peer has left.
        """
        return failed(exc, left=self._left)

    def _left(self, exc: Exception) -> bool:
        return exc is self.gone or any(base.__name__ in _GONE for base in type(exc).__mro__)


def _nothing(*_: object) -> None:
    """Do nothing; used in place of a method after counting was stopped."""
