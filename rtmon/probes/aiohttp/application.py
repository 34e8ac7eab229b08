"""The probe for aiohttp's server: counts what each ``aiohttp.web.WebSocketResponse`` does.

It uses what aiohttp offers to applications: a middleware sees each request and how its handler
ends, the signal ``on_response_prepare`` each answer. No handler has to be changed.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ...errors import OptionError
from ..base import attempt, instrumented, peer_address
from ..nested_probes import claim, claimed
from .connection import AiohttpConnection

if TYPE_CHECKING:
    from ...metrics.meter import Meter
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["Instrument", "instrument"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def instrument(app: web.Application, monitor: Recorder) -> Instrument:
    """Count the WebSockets of an aiohttp application, and of those mounted in it.

    Args:
        app: the application, before it is started.
        monitor: the Monitor.

    Returns:
        The probe; the same one when called again.

    Raises:
        OptionError: that is no aiohttp application, or it has been started.
    """
    if not isinstance(app, web.Application):
        raise OptionError(f"instrument() was given {app!r}: give it an aiohttp.web.Application")
    return instrumented(app, monitor, functools.partial(Instrument, app, monitor))


class Instrument:
    """The probe on one application; made by :func:`instrument`.

    Attributes:
        monitor: what counts.
    """

    def __init__(self, app: web.Application, monitor: Recorder) -> None:
        if app.frozen:
            raise OptionError("this aiohttp application was started: call instrument() before that")
        self.monitor = monitor
        self._stopping = False
        monitor.collector.expect(AiohttpConnection.kind)
        app.middlewares.insert(0, self._run)
        app.on_response_prepare.append(self._answer)
        app.on_shutdown.insert(0, self._stop)

    def meter(self) -> Meter | None:
        """Return the Meter of the connection whose handler calls this; the caller may set ``name``.

        Returns:
            The meter; None outside a WebSocket handler, and if the connection is not counted.
        """
        exchange = claimed(self.monitor)
        return exchange.meter if isinstance(exchange, _RequestRun) else None

    @web.middleware
    async def _run(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = self._begin(request)
        if exchange is None:
            return await handler(request)
        try:
            response = await handler(request)
        except BaseException as exc:
            exchange.attempt(exchange.ended, exc)
            raise
        exchange.attempt(exchange.ended, None)
        return response

    def _begin(self, request: web.Request) -> _RequestRun | None:
        try:
            if self.monitor.arm("probe"):
                return _RequestRun(self.monitor, request, stopping=lambda: self._stopping)
        except Exception as exc:
            self.monitor.probe_failed(exc)
        return None

    async def _answer(self, _: web.Request, response: web.StreamResponse) -> None:
        exchange = claimed(self.monitor)
        if isinstance(exchange, _RequestRun):
            exchange.attempt(exchange.answered, response)

    async def _stop(self, _: web.Application) -> None:
        self._stopping = True


class _RequestRun:
    """One request and its answer.

    Attributes:
        attempt: calls a hook of the probe and catches its exceptions.
    """

    def __init__(
        self, monitor: Recorder, request: web.Request, *, stopping: Callable[[], bool]
    ) -> None:
        self._monitor = monitor
        self._request = request
        self._stopping = stopping
        self._connection: AiohttpConnection | None = None
        if request.headers.get("Upgrade", "").strip().lower() == "websocket":
            self._connection = self._describe()
        self.attempt: Callable[..., None] = functools.partial(attempt, monitor)
        claim(monitor, self)

    @property
    def meter(self) -> Meter | None:
        """The meter of the WebSocket; None for other requests."""
        return None if self._connection is None else self._connection.meter

    def stand_aside(self) -> None:
        """Leave counting to an inner probe."""
        self.attempt = _nothing

    def _describe(self) -> AiohttpConnection:
        request = self._request
        connection = AiohttpConnection(self._monitor, stopping=self._stopping)
        meter, transport = connection.meter, request.transport
        meter.remote = peer_address(transport and transport.get_extra_info("peername"))
        resource = request.match_info.route.resource
        meter.path = request.path if resource is None else resource.canonical
        meter.user_agent = request.headers.get("User-Agent")
        meter.request = request.raw_headers
        return connection

    def answered(self, response: web.StreamResponse) -> None:
        """Handle a response that is about to be sent."""
        connection = self._connection
        if connection is None:
            self._monitor.collector.http_request()
        elif isinstance(response, web.WebSocketResponse):
            connection.measure(response)
            connection.meter.subprotocol = response.headers.get("Sec-WebSocket-Protocol")
            connection.opened()
            # When this task ends, aiohttp drops the connection, whatever its handler did.
            self._request.task.add_done_callback(lambda _: self.attempt(connection.dropped))
        elif connection.meter.opened is None:
            status = response.status
            connection.rejected(status=status, detail=f"refused with HTTP {status}")

    def ended(self, exc: BaseException | None) -> None:
        """Report that the handler has returned or raised."""
        if self._connection is not None and not isinstance(exc, web.HTTPException):
            self._connection.handler_ended(exc)


def _nothing(*_: object) -> None:
    """Do nothing."""
