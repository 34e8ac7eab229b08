"""One run of an ASGI application, with a probe on what passes in and out of it.

The application and the server do their part first, so that nothing is counted which was
refused. Nothing that goes wrong in the probe reaches them: it is swallowed, counted, and logged.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

from ...metrics.causes import VIOLATIONS
from ...metrics.meter import Ending
from ...protocol.close import ABNORMAL, NO_STATUS
from ..handler_failure import failed
from ..websockets.counting import peer_address
from .routes import template

if TYPE_CHECKING:
    from ...metrics.meter import Meter
    from ...monitor import Monitor

__all__ = [
    "CLAIMS",
    "METER",
    "MONITOR",
    "App",
    "Exchange",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "ending",
    "text_size",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLAIMS = "rtmon.claims"
"""Scope key: Monitor → the probe that counts this connection. One further in sets ``yielded`` of
the one it finds there, so that every number is counted once."""

METER = "rtmon.meter"
"""Scope key: the connection's meter, whose ``name`` an application may set."""

MONITOR = "rtmon.monitor"
"""Scope key: whose meter that is; for a hub, which measures round trips by itself."""

_GONE = frozenset({"ClientDisconnect", "WebSocketDisconnect", "WebSocketDisconnected"})
"""What frameworks raise in a handler because its peer has left: Starlette and with it FastAPI,
Litestar, Falcon."""


class Exchange(abc.ABC):
    """One run of the application, and what passes in and out of it.

    Attributes:
        yielded: a probe further in counts this.
        gone: what the server raised because the peer is gone.
        now: the monotonic clock.
    """

    transport: ClassVar[str]

    def __init__(self, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
        self.monitor = monitor
        self.scope = scope
        self.yielded = False
        self._receive = receive
        self._send = send
        self.now = monitor.clock.monotonic
        self.gone: OSError | None = None
        claims = scope.setdefault(CLAIMS, {})
        if monitor in claims:
            claims[monitor].yielded = True
        claims[monitor] = self

    async def run(self, app: App) -> None:
        """Run the application; what it raises goes on unchanged."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as exc:
            await self._finish(exc)
            raise
        await self._finish(None)

    async def _finish(self, exc: BaseException | None) -> None:
        self.attempt(self.asked)  # it is done with the last message, too
        try:
            if exc is None or isinstance(exc, Exception | asyncio.CancelledError):
                await self.hear_the_server_out()
        finally:
            self.attempt(self.ended, exc)

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

    def attempt(self, hook: Callable[..., None], *args: Any) -> None:
        """Do something of the probe's, of which nothing may come out."""
        try:
            if not self.yielded:
                hook(*args)
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def asked(self) -> None:  # noqa: B027 (a hook: not every exchange waits for messages)
        """The application waits for a message."""

    @abc.abstractmethod
    def received(self, message: Message) -> None:
        """The application has been given a message."""

    @abc.abstractmethod
    def sent(self, message: Message) -> None:
        """The server has taken a message."""

    async def hear_the_server_out(self) -> None:  # noqa: B027 (a hook)
        """Take what the server still has to say to an application that has ended."""

    @abc.abstractmethod
    def ended(self, exc: BaseException | None) -> None:
        """The application has ended, with an exception or without."""

    def new_meter(self) -> Meter:
        """A meter that knows who asks."""
        meter = self.monitor.collector.meter(transport=self.transport, probe="asgi")
        self.scope[METER], self.scope[MONITOR] = meter, self.monitor
        client = self.scope.get("client")
        meter.remote = peer_address(tuple(client) if client else None)
        agents = [value for name, value in self.scope["headers"] if name.lower() == b"user-agent"]
        meter.user_agent = b", ".join(agents).decode("latin-1") or None
        return meter

    def open(self, meter: Meter) -> None:
        """The connection stands; by now the application has chosen a route."""
        meter.path = template(self.scope)
        self.monitor.connection_opened(meter)

    def failed(self, exc: BaseException | None) -> bool:
        """Whether the application has failed, rather than been left by its peer or cancelled."""
        return failed(exc, left=self._left)

    def _left(self, exc: Exception) -> bool:
        return exc is self.gone or any(base.__name__ in _GONE for base in type(exc).__mro__)


def text_size(text: str) -> int:
    """Bytes of a text in UTF-8, as it travels."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def ending(disconnect: Message) -> Ending:
    """What a server's word about the end tells.

    A reason comes with a close frame only; without one, 1005 and 1012 are what uvicorn says of a
    connection that broke, and of its own shutdown. Codes that say who broke the protocol do not
    tell which side sent them.
    """
    code = int(disconnect.get("code") or NO_STATUS)
    reason = disconnect.get("reason")
    if code == ABNORMAL or (code == NO_STATUS and "reason" not in disconnect):
        return Ending(close_code=ABNORMAL, cause="peer vanished")
    if code == 1012 and "reason" not in disconnect:
        return Ending(
            close_code=code,
            code_sent=code,
            reason_sent="",
            initiator="local",
            cause="server shutdown",
        )
    if code in VIOLATIONS:
        return Ending(close_code=code, cause="protocol error")
    return Ending(
        close_code=code,
        code_received=code,
        reason_received=reason,
        initiator="remote",
        cause="closed",
    )
