"""The probe for aiohttp's server: counts what each ``aiohttp.web.WebSocketResponse`` does.

It uses interfaces that aiohttp offers to applications. A middleware sees each request, and how its
handler ends. The signal ``on_response_prepare`` reports each response. Handlers need no change.
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
    """Count the WebSockets of an aiohttp application, and of its subapplications.

    Args:
        app: the application, before it is started.
        monitor: the Monitor that records the connections.

    Returns:
        The probe. A second call for the same application and Monitor returns the same probe.

    Raises:
        OptionError: ``app`` is not an aiohttp application, or it has been started.
    """
    if not isinstance(app, web.Application):
        raise OptionError(f"instrument() was given {app!r}: give it an aiohttp.web.Application")
    return instrumented(app, monitor, functools.partial(Instrument, app, monitor))


class Instrument:
    """The probe of one application; made by :func:`instrument`.

    Attributes:
        monitor: the Monitor that records the connections.
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
        """Return the Meter of the connection whose handler calls this method.

        The handler may set the Meter's ``name``, under which the connection is shown.

        Returns:
            The Meter; None outside a WebSocket handler, or if the connection is not counted.
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
    """One HTTP request and its response.

    Attributes:
        attempt: calls a method of the probe, and catches and counts exceptions.
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
        """The Meter of the WebSocket connection; None for other requests."""
        return None if self._connection is None else self._connection.meter

    def stand_aside(self) -> None:
        """Stop counting, because an inner probe counts this request."""
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
        """Count a response that is about to be sent."""
        connection = self._connection
        if connection is None:
            self._monitor.collector.http_request()
        elif isinstance(response, web.WebSocketResponse):
            connection.measure(response)
            connection.meter.subprotocol = response.headers.get("Sec-WebSocket-Protocol")
            connection.opened()
            # When this task ends, aiohttp drops the connection, however the handler ended.
            self._request.task.add_done_callback(lambda _: self.attempt(connection.dropped))
        elif connection.meter.opened is None:
            status = response.status
            connection.rejected(status=status, detail=f"refused with HTTP {status}")

    def ended(self, exc: BaseException | None) -> None:
        """Report that the handler has returned or raised an exception."""
        if self._connection is not None and not isinstance(exc, web.HTTPException):
            self._connection.handler_ended(exc)


def _nothing(*_: object) -> None:
    """Do nothing."""
