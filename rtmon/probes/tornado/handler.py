"""One WebSocket connection of Tornado's server; its handler's methods are wrapped to count."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tornado import gen
from tornado.escape import json_encode
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ...metrics.close_causes import VIOLATIONS
from ...protocol.close import NO_STATUS
from ..asgi.path_templates import template
from ..base import ConnectionProbe, attempt, peer_address, text_size
from ..close_tracker import CloseTracker
from ..handler_failure import cancelled, failed
from ..nested_probes import claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.web import RequestHandler

    from ...metrics.monitor_interfaces import Recorder

__all__ = ["TornadoConnection", "measured"]

_PING_TIMEOUT = "ping timed out"
"""Close reason that Tornado 6.5 and newer sends after an unanswered ping."""


class TornadoConnection(ConnectionProbe):
    """Reports one connection of a Tornado application to a Monitor.

    Args:
        monitor: the Monitor.
        handler: the handler of the request.
    """

    __slots__ = ("_cut", "_end", "_pinged")

    kind = "tornado"

    def __init__(self, monitor: Recorder, handler: RequestHandler) -> None:
        super().__init__(monitor)
        self._end = CloseTracker()
        self._cut = False  # True if this server cut the connection
        self._pinged: float | None = None  # when the pending ping was sent
        request, meter = handler.request, self.meter
        context = getattr(request.connection, "context", None)
        meter.remote = peer_address(getattr(context, "address", None))
        meter.path = template({"path": request.path, "path_params": handler.path_kwargs})
        meter.user_agent = request.headers.get("User-Agent")
        meter.request = list(request.headers.get_all())

    def stand_aside(self) -> None:
        """Do nothing: there is no inner probe that counts a WebSocketHandler's messages."""

    def open(self, handler: WebSocketHandler) -> None:
        """Report that the handshake is complete, and begin to observe close frames and pings."""
        self.meter.subprotocol = handler.selected_subprotocol
        self.opened()
        protocol: Any = handler.ws_connection
        protocol.close = self._closing(protocol, protocol.close)
        protocol.write_ping = self._pinging(protocol.write_ping)
        protocol._abort = self._aborting(protocol, protocol._abort)  # noqa: SLF001 - no public hook

    def take(self, message: str | bytes) -> None:
        """Count a received message, which the handler gets now."""
        if isinstance(message, str):
            self.received(text_size(message), payload=message, handed=True)
        else:
            self.received(len(message), binary=True, payload=message, handed=True)

    def give(self, message: str | bytes, binary: bool) -> None:  # noqa: FBT001 - as in Tornado
        """Count a sent message, which Tornado has accepted."""
        size = text_size(message) if isinstance(message, str) else len(message)
        self.sent(size, binary=binary, payload=message)

    def raised(self, exc: BaseException) -> None:
        """Record an exception of the handler, after which Tornado cuts the connection."""
        if failed(exc, left=_left):
            self.handler_failed(exc)
            self._end.handler = "handler failed"
        elif cancelled(exc):
            self._end.handler = "handler cancelled"

    def ponged(self) -> None:
        """Report the round trip of the pending ping, which was answered."""
        if self._pinged is not None:
            pinged, self._pinged = self._pinged, None
            self.round_trip(self.now() - pinged)

    def end(self) -> None:
        """Report that the connection has ended."""
        violated = self._end.initiator == "local" and self._end.code_sent in VIOLATIONS
        if violated and self.meter.closed is None:
            self.meter.bump("errors")
        self.ended(self._end.ending(gone=not self._cut, slow=self.meter.too_slow))

    def _closing(self, protocol: Any, original: Callable[..., None]) -> Callable[..., None]:
        def close(code: int | None = None, reason: str | None = None) -> None:
            attempt(self.monitor, self._closes, protocol, code, reason)
            original(code, reason)

        return close

    def _closes(self, protocol: Any, code: int | None, reason: str | None) -> None:
        if protocol.stream.closed():
            return
        end = self._end
        if protocol.client_terminated:  # Tornado answers the client's close frame
            end.code_received = protocol.close_code or NO_STATUS
            end.reason_received = protocol.close_reason or ""
        if not protocol.server_terminated:
            end.initiator = "remote" if protocol.client_terminated else "local"
            end.code_sent = code or (1000 if reason is not None else NO_STATUS)
            end.reason_sent = reason or ""
            end.unanswered_ping = reason == _PING_TIMEOUT

    def _pinging(self, original: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def write_ping(data: bytes) -> None:
            original(data)
            self._pinged = self.now()

        return write_ping

    def _aborting(self, protocol: Any, original: Callable[[], None]) -> Callable[[], None]:
        def abort() -> None:
            self._cut = self._cut or not protocol.stream.closed()
            original()
            attempt(self.monitor, self.end)

        return abort


class Measured(WebSocketHandler):
    """Mixin for the application's handler class, which reports its connection to a Monitor."""

    rtmon_monitor: Recorder
    rtmon_connection: TornadoConnection | None = None

    def open(self, *args: Any, **kwargs: Any) -> Any:
        monitor = self.rtmon_monitor
        try:
            if monitor.arm("probe"):
                self.rtmon_connection = TornadoConnection(monitor, self)
                claim(monitor, self.rtmon_connection)
        except Exception as exc:
            monitor.probe_failed(exc)
        self._report(TornadoConnection.open, self)
        return self._run(super().open, *args, **kwargs)

    def on_message(self, message: str | bytes) -> Any:
        self._report(TornadoConnection.take, message)
        return self._run(super().on_message, message)

    def write_message(self, message: Any, binary: bool = False) -> Any:  # noqa: FBT001, FBT002
        if isinstance(message, dict):
            message = json_encode(message)
        answer = super().write_message(message, binary)
        self._report(TornadoConnection.give, message, binary)
        return answer

    def on_pong(self, data: bytes) -> None:
        self._report(TornadoConnection.ponged)
        super().on_pong(data)

    def on_close(self) -> None:
        self._report(TornadoConnection.end)
        super().on_close()

    def _report(self, hook: Callable[..., None], *args: Any) -> None:
        if self.rtmon_connection is not None:
            attempt(self.rtmon_monitor, hook, self.rtmon_connection, *args)

    def _run(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the application; pass its result or exception on unchanged."""
        try:
            result = method(*args, **kwargs)
        except BaseException as exc:
            self._report(TornadoConnection.raised, exc)
            raise
        if result is None:
            self._report(TornadoConnection.asked)
            return None
        return self._wait(result)

    async def _wait(self, result: Any) -> None:
        try:
            await (result if inspect.isawaitable(result) else gen.convert_yielded(result))
        except BaseException as exc:
            self._report(TornadoConnection.raised, exc)
            raise
        finally:
            self._report(TornadoConnection.asked)


def measured(handler_class: type[WebSocketHandler], monitor: Recorder) -> type[WebSocketHandler]:
    """Return a subclass of a handler class, which reports its connections to a Monitor."""
    members = {
        "__doc__": handler_class.__doc__,
        "__module__": handler_class.__module__,
        "__qualname__": handler_class.__qualname__,
        "rtmon_monitor": monitor,
    }
    return type(handler_class.__name__, (Measured, handler_class), members)


def _left(exc: Exception) -> bool:
    """Return True for an exception that means only that the peer has left."""
    return isinstance(exc, WebSocketClosedError | StreamClosedError)
