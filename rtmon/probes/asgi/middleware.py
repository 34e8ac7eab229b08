"""The probe for ASGI applications: counts WebSockets and event streams (SSE).

It stands between the server and the application, where whole messages pass as dictionaries, so
it knows messages, payload, errors and how connections end; frames, bytes on the wire and pings
are the server's own business, and null here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ...metrics.blackbox import BlackBox
from ...metrics.causes import Cause
from ...metrics.meter import Ending
from ...protocol.close import ABNORMAL
from ..handler_failure import cancelled
from .application_run import App, Exchange, Message, Receive, Scope, Send, ending, text_size
from .event_stream import EventStream
from .routes import template

if TYPE_CHECKING:
    from ...metrics.meter import Meter
    from ...monitor import Monitor

__all__ = ["ASGIProbe"]

_TEXT, _BINARY = 1, 2
"""Opcodes of WebSocket frames."""


class ASGIProbe:
    """Middleware that counts: ``app.add_middleware(rtmon.ASGIProbe, monitor=monitor)``.

    A plain ASGI class, for any application: ``app = ASGIProbe(app, monitor=monitor)``.

    Args:
        app: the application.
        monitor: what counts.
    """

    def __init__(self, app: App, *, monitor: Monitor) -> None:
        self.app = app
        self.monitor = monitor
        monitor.collector.expect("asgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._begin(scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
        else:
            await exchange.run(self.app)

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> Exchange | None:
        try:
            kind = {"websocket": _WebSocket, "http": _Response}.get(scope["type"])
            if kind is None or not self.monitor.arm("probe"):
                return None
            return kind(self.monitor, scope, receive, send)
        except Exception as exc:
            self.monitor.probe_failed(exc)
            return None


class _WebSocket(Exchange):
    """A WebSocket connection."""

    transport = "websocket"

    def __init__(self, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(monitor, scope, receive, send)
        self._refused = self._lost = False
        self._handed_at: float | None = None
        self._meter = self.new_meter()

    def asked(self) -> None:
        if self._handed_at is not None:
            self._meter.ledger.handler.record(self.now() - self._handed_at)
            self._handed_at = None

    def received(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            self._handed_at = self._moved(message, sent=False)
        elif message["type"] == "websocket.disconnect":
            if self._meter.opened is None:
                self._lost = True
            else:
                self.monitor.connection_closed(self._meter, ending(message))

    def sent(self, message: Message) -> None:
        meter = self._meter
        match message["type"]:
            case "websocket.send":
                self._moved(message, sent=True)
            case "websocket.accept":
                meter.subprotocol = message.get("subprotocol")
                self.open(meter)
            case "websocket.close" if meter.opened is None:
                self._reject(403)
            case "websocket.close":
                code = int(message.get("code") or 1000)  # of an Enum, the number
                self.monitor.connection_closed(
                    meter,
                    Ending(
                        close_code=code,
                        code_sent=code,
                        reason_sent=message.get("reason") or "",
                        initiator="local",
                        cause="closed",
                    ),
                )
            case "websocket.http.response.start":
                self._reject(message["status"])

    def _moved(self, message: Message, *, sent: bool) -> float:
        meter = self._meter
        text = message.get("text")
        data = message.get("bytes")
        size = len(data or b"") if text is None else text_size(text)
        binary = text is None
        (meter.sent if sent else meter.received)(size, binary=binary)
        meter.last = now = self.now()
        if meter.box is None:
            meter.box = BlackBox()
        meter.box.record(now, size, _BINARY if binary else _TEXT, sent=sent)
        if self.monitor.capture_payload:
            payload = text.encode("utf-8", "replace") if text is not None else data or b""
            self.monitor.keep_payload(meter.box, payload)
        return now

    def _reject(self, status: int | None, detail: str | None = None) -> None:
        self._refused = True
        self._meter.path = template(self.scope)
        if detail is None:
            detail = f"refused with HTTP {status}"
        self.monitor.connection_rejected(self._meter, status=status, detail=detail)

    def ended(self, exc: BaseException | None) -> None:
        meter = self._meter
        failed = self.failed(exc)
        if failed:
            assert exc is not None  # noqa: S101 - for the type checker
            self.monitor.handler_failed(meter, exc)
        if meter.opened is None:
            if not self._refused:
                self._never_opened(failed=failed)
            return
        cause: Cause = "peer vanished" if self.gone else "aborted"
        if failed or cancelled(exc):
            cause = "handler failed" if failed else "handler cancelled"
        # Whoever leaves without a word has the server drop the connection, as uvicorn does.
        self.monitor.connection_closed(meter, Ending(close_code=ABNORMAL, cause=cause))

    def _is_open(self) -> bool:
        return self._meter.opened is not None and self._meter.closed is None

    def _never_opened(self, *, failed: bool) -> None:
        if self._lost or self.gone is not None:
            self._reject(None, "the connection was lost during the handshake")
        else:
            why = "failed before it accepted" if failed else "neither accepted nor refused"
            self._reject(500, f"the application {why}")

    async def hear_the_server_out(self) -> None:
        """Take what the server has ready: an application that only sends never asks for it."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(0):
                message: Message = {"type": "websocket.receive"}
                while self._is_open() and message["type"] == "websocket.receive":
                    message = await self._receive()
                    self.attempt(self.received, message)


class _Response(Exchange):
    """An HTTP request, which is a connection if it is answered with an event stream."""

    transport = "sse"

    def __init__(self, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(monitor, scope, receive, send)
        self._meter: Meter | None = None
        self._answered = False
        self._stream = EventStream()

    def received(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._close("remote", "closed")

    def sent(self, message: Message) -> None:
        meter = self._meter
        if message["type"] == "http.response.start":
            self._answered = True
            if self._is_stream(message):
                self._meter = self.new_meter()
                self.open(self._meter)
            else:
                self.monitor.collector.http_request()
        elif message["type"] == "http.response.body" and meter is not None and meter.closed is None:
            meter.last = now = self.now()
            meter.mark()
            for size in self._stream.feed(message.get("body", b"")):
                meter.sent(size)
                if meter.box is None:
                    meter.box = BlackBox()
                meter.box.record(now, size, _TEXT, sent=True)
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
        if self._meter is not None:
            # An event stream has no close frames, so no code either.
            ending = Ending(initiator=initiator, cause=cause)
            self.monitor.connection_closed(self._meter, ending)

    def ended(self, exc: BaseException | None) -> None:
        failed = self.failed(exc)
        if self._meter is not None:
            if failed:
                assert exc is not None  # noqa: S101 - for the type checker
                self.monitor.handler_failed(self._meter, exc)
            initiator = "local" if self.gone is None else "remote"
            self._close(initiator, "handler failed" if failed else "closed")
        elif failed and not self._answered:  # the server answers in the application's place
            self.monitor.collector.http_request()
