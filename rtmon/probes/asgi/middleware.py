"""The probe for ASGI applications: counts WebSocket connections and event streams (SSE).

The probe is called between the server and the application, where each ASGI message passes as a
dictionary. So it can measure messages, payload, errors and how connections end. Frames, bytes on
the wire and pings are handled inside the server, so the columns for these are null.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import OptionError
from ...metrics.close_causes import Cause
from ...metrics.collector import Collector
from ...metrics.connection_endings import disconnect_ending, vague
from ...metrics.meter import Ending
from ...metrics.recent_frames import BlackBox
from ...protocol.close import ABNORMAL
from ..base import TEXT, octets, text_size
from ..handler_failure import cancelled
from .application_run import (
    App,
    ApplicationRun,
    ASGIConnection,
    Message,
    Receive,
    Scope,
    Send,
)
from .path_templates import template
from .sse_parser import EventStream

if TYPE_CHECKING:
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["ASGIProbe"]


class ASGIProbe:
    """ASGI middleware that counts an application's connections and their messages.

    For Starlette and FastAPI: ``app.add_middleware(rtmon.ASGIProbe, monitor=monitor)``. For any
    other ASGI application: ``app = ASGIProbe(app, monitor=monitor)``.

    Args:
        app: the application.
        monitor: the Monitor that records the connections.

    Raises:
        OptionError: ``app`` is not an ASGI application, or ``monitor`` is not a Monitor.
    """

    def __init__(self, app: App, *, monitor: Recorder) -> None:
        _check(app, monitor)
        self.app = app
        self.monitor = monitor
        monitor.collector.expect("asgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = self._begin(scope, receive, send)
        if exchange is None:
            return await self.app(scope, receive, send)
        return await exchange.run(self.app)

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> ApplicationRun | None:
        try:
            kind = {"websocket": _WebSocket, "http": _Response}.get(scope["type"])
            if kind is None or not self.monitor.arm("probe"):
                return None
            return kind(self.monitor, scope, receive, send)
        except Exception as exc:
            self.monitor.probe_failed(exc)
            return None


def _check(app: object, monitor: object) -> None:
    """Raise OptionError now for arguments that would make every request fail."""
    if not isinstance(getattr(monitor, "collector", None), Collector):
        raise OptionError(f"ASGIProbe() was given monitor={monitor!r}: give it a Monitor")
    suits = callable(app)
    if callable(app):
        with contextlib.suppress(ValueError):  # some callables have no signature: accept them
            # The signature of the function itself: the one that a decorator copies with
            # functools.wraps() may be another, as in Django Channels' Consumer.as_asgi().
            signature = inspect.signature(app, follow_wrapped=False)
            try:
                signature.bind("scope", "receive", "send")
            except TypeError:
                suits = False
    if not suits:
        raise OptionError(
            f"ASGIProbe() was given {app!r}, which is no ASGI application: give it a callable "
            "app(scope, receive, send), such as what FastAPI() or Starlette() returns; one of "
            "ASGI 2 is adapted by asgiref.compatibility.guarantee_single_callable(app)"
        )


class _WebSocket(ApplicationRun):
    """One run of the application for a WebSocket connection."""

    transport = "websocket"

    def __init__(self, monitor: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(monitor, scope, receive, send)
        self._refused = self._lost = False
        self._probe = self.new_probe()
        self.asked = self._probe.asked

    def received(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                data = message.get("bytes") or b""
                self._probe.received(len(data), binary=True, payload=data, handed=True)
            else:
                self._probe.received(text_size(text), payload=text, handed=True)
        elif message["type"] == "websocket.disconnect":
            if self._probe.meter.opened is None:
                self._lost = True
            else:
                self._probe.ended(self._slow(disconnect_ending(message, vague=vague(self._send))))

    def sent(self, message: Message) -> None:
        probe = self._probe
        match message["type"]:
            case "websocket.send" if (text := message.get("text")) is not None:
                probe.sent(text_size(text), payload=text)
            case "websocket.send":
                data = octets(message.get("bytes") or b"")
                probe.sent(len(data), binary=True, payload=data)
            case "websocket.accept":
                probe.meter.subprotocol = message.get("subprotocol")
                self.open(probe)
            case "websocket.close" if probe.meter.opened is None:
                self._reject(403)
            case "websocket.close":
                code = int(message.get("code") or 1000)  # int(): the code may be an Enum
                # Frameworks that catch a handler's exception close with 1011.
                cause: Cause = "handler failed" if code == 1011 else "closed"
                probe.ended(
                    Ending(
                        close_code=code,
                        code_sent=code,
                        reason_sent=message.get("reason") or "",
                        initiator="local",
                        cause="slow consumer" if probe.meter.too_slow else cause,
                    )
                )
            case "websocket.http.response.start":
                self._reject(message["status"])

    def _reject(self, status: int | None, detail: str | None = None) -> None:
        self._refused = True
        self._probe.meter.path = template(self.scope)
        if detail is None:
            detail = f"refused with HTTP {status}"
        self._probe.rejected(status=status, detail=detail)

    def ended(self, exc: BaseException | None) -> None:
        failed = self.failed(exc)
        if failed:
            assert exc is not None  # noqa: S101 - for the type checker
            self._probe.handler_failed(exc)
        if self._probe.meter.opened is None:
            if not self._refused:
                self._never_opened(failed=failed)
            return
        cause: Cause = "peer vanished" if self.gone else "aborted"
        if failed or cancelled(exc):
            cause = "handler failed" if failed else "handler cancelled"
        # If an application returns without closing, the server drops the connection.
        self._probe.ended(self._slow(Ending(close_code=ABNORMAL, cause=cause)))

    def _slow(self, end: Ending) -> Ending:
        """Return the ending, with the cause changed if the hub cut a slow consumer."""
        broken = end.cause in {"peer vanished", "aborted"}
        slow = broken and self._probe.meter.too_slow
        return replace(end, cause="slow consumer") if slow else end

    def _is_open(self) -> bool:
        meter = self._probe.meter
        return meter.opened is not None and meter.closed is None

    def _never_opened(self, *, failed: bool) -> None:
        if self._lost or self.gone is not None:
            self._reject(None, "the connection was lost during the handshake")
        else:
            why = "failed before it accepted" if failed else "neither accepted nor refused"
            self._reject(500, f"the application {why}")

    async def hear_the_server_out(self) -> None:
        """Receive and count the messages that the server has ready.

        An application that only sends never receives them itself.
        """
        with contextlib.suppress(Exception):
            async with asyncio.timeout(0):
                message: Message = {"type": "websocket.receive"}
                while self._is_open() and message["type"] == "websocket.receive":
                    message = await self._receive()
                    self.attempt(self.received, message)


class _Response(ApplicationRun):
    """One run of the application for an HTTP request; a streamed response is a connection."""

    transport = "sse"

    def __init__(self, monitor: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(monitor, scope, receive, send)
        self._probe: ASGIConnection | None = None
        self._answered = False
        self._stream = EventStream()

    def received(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._close("remote", "closed")

    def sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            if self._is_stream(message):
                self._probe = self.new_probe()
                self.open(self._probe)
            else:
                self.monitor.collector.http_request()
        elif (
            message["type"] == "http.response.body"
            and self._probe is not None
            and (meter := self._probe.meter).closed is None
        ):
            meter.last = now = self._probe.now()
            meter.mark()
            for size in self._stream.feed(message.get("body", b"")):
                meter.sent(size)
                if meter.box is None:
                    meter.box = BlackBox()
                meter.box.record(now, size, TEXT, sent=True)
            if not message.get("more_body", False):
                self._close("local", "closed")

    def _is_stream(self, start: Message) -> bool:
        headers = {bytes(name).lower(): bytes(value) for name, value in start.get("headers", ())}
        return (
            start["status"] == 200
            and self.scope["method"] != "HEAD"
            and headers.get(b"content-type", b"").lower().startswith(b"text/event-stream")
            and headers.get(b"content-encoding", b"identity") == b"identity"
        )

    def _close(self, initiator: str, cause: Cause) -> None:
        if self._probe is not None:
            if self._probe.meter.too_slow and cause == "closed":
                initiator, cause = "local", "slow consumer"
            # An event stream has no close frames, so there are no close codes.
            self._probe.ended(Ending(initiator=initiator, cause=cause))

    def ended(self, exc: BaseException | None) -> None:
        failed = self.failed(exc)
        if self._probe is not None:
            if failed:
                assert exc is not None  # noqa: S101 - for the type checker
                self._probe.handler_failed(exc)
            initiator = "local" if self.gone is None else "remote"
            self._close(initiator, "handler failed" if failed else "closed")
        elif failed and not self._answered:  # the server sends an error response
            self.monitor.collector.http_request()
