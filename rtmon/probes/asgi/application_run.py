"""One run of an ASGI application, with a probe on what passes in and out of it.

The application and the server do their part first, so that nothing is counted which was refused.
An exception in the probe never reaches them: it is counted and logged.
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
"""Scope key: Monitor → the probe that counts this connection. A probe further in calls
``stand_aside()`` of the one it finds there, so that every number is counted once."""

METER = "rtmon.meter"
"""Scope key: the connection's meter, whose ``name`` an application may set."""

MONITOR = "rtmon.monitor"
"""Scope key: the Monitor of that meter; for a hub, which measures round trips by itself."""

_GONE = frozenset({"ClientDisconnect", "WebSocketDisconnect", "WebSocketDisconnected"})
"""Exceptions that frameworks raise in a handler because its peer has left: Starlette and with it
FastAPI, Litestar, Falcon."""


class ASGIConnection(ConnectionProbe):
    """Reports one connection of an ASGI application."""

    __slots__ = ()

    kind = "asgi"


class ApplicationRun(abc.ABC):
    """One run of the application, and the messages in and out of it.

    Attributes:
        asked: called when the application waits for a message.
        attempt: calls a hook of the probe, of which no exception comes out.
        gone: exception that the server raised because the peer is gone.
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
        """Leave counting to a probe further in."""
        self.attempt = _nothing

    async def run(self, app: App) -> Any:
        """Run the application; what it returns or raises goes on unchanged."""
        try:
            returned = await app(self.scope, self.receive, self.send)
        except BaseException as exc:
            await self._finish(exc)
            raise
        await self._finish(None)
        return returned

    async def _finish(self, exc: BaseException | None) -> None:
        self.attempt(self.asked)  # it is done with the last message, too
        try:
            if exc is None or isinstance(exc, Exception | asyncio.CancelledError):
                await self.hear_the_server_out()
        finally:
            self.attempt(self.ended, exc)
            # The server's connection refers to the scope, and the traceback of an exception to it:
            # none of them would go by itself.
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
        except OSError as exc:  # how a server says that the peer is gone (ASGI 2.4)
            self.gone = exc
            raise
        self.attempt(self.sent, message)

    @abc.abstractmethod
    def received(self, message: Message) -> None:
        """Count a message that the application was given."""

    @abc.abstractmethod
    def sent(self, message: Message) -> None:
        """Count a message that the server has taken."""

    async def hear_the_server_out(self) -> None:  # noqa: B027 (a hook)
        """Receive the messages that the server still has for an application that has ended."""

    @abc.abstractmethod
    def ended(self, exc: BaseException | None) -> None:
        """Report that the application has ended, with an exception or without."""

    def new_probe(self) -> ASGIConnection:
        """Make the connection's probe, and describe the client to it."""
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
        """Report that the connection is open; by now the application has chosen a route."""
        probe.meter.path = template(self.scope)
        probe.opened()

    def failed(self, exc: BaseException | None) -> bool:
        """Return True if the application has failed, not merely been left or cancelled."""
        return failed(exc, left=self._left)

    def _left(self, exc: Exception) -> bool:
        return exc is self.gone or any(base.__name__ in _GONE for base in type(exc).__mro__)


def _nothing(*_: object) -> None:
    """Do nothing."""
