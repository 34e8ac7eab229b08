"""The probe for Tornado's server: counts what each ``WebSocketHandler`` of an application does.

When the application is about to create a ``WebSocketHandler``, the probe makes it create a
subclass that counts. Other requests are counted in the application's log function. No class is
changed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from ...errors import OptionError
from ..base import attempt, instrumented
from ..nested_probes import claimed
from .handler import TornadoConnection, measured

if TYPE_CHECKING:
    from ...metrics.meter import Meter
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["Instrument", "instrument"]


def instrument(app: Application, monitor: Recorder) -> Instrument:
    """Count the WebSockets of a Tornado application, from its next request on.

    Args:
        app: the application, of ``tornado.web.Application`` or a class derived from it.
        monitor: the Monitor that records the connections.

    Returns:
        The probe. A second call for the same application and Monitor returns the same probe.

    Raises:
        OptionError: ``app`` is not a Tornado application, or another Monitor measures it.
    """
    if not isinstance(app, Application):
        raise OptionError(f"instrument() was given {app!r}: give it a tornado.web.Application")
    make = functools.partial(Instrument, app, monitor)
    return instrumented(app, monitor, make, alone="Tornado application")


class Instrument:
    """The probe of one application; made by :func:`instrument`.

    Attributes:
        monitor: the Monitor that records the connections.
    """

    def __init__(self, app: Any, monitor: Recorder) -> None:
        self.monitor = monitor
        self._make = functools.lru_cache(maxsize=256)(functools.partial(measured, monitor=monitor))
        monitor.collector.expect(TornadoConnection.kind)
        app.get_handler_delegate = self._delegating(app.get_handler_delegate)
        app.log_request = self._logging(app.log_request)

    def meter(self) -> Meter | None:
        """Return the Meter of the connection whose handler calls this method.

        The handler may set the Meter's ``name``, under which the connection is shown.

        Returns:
            The Meter; None outside a WebSocket handler, or if connections are not counted.
        """
        connection = claimed(self.monitor)
        return connection.meter if isinstance(connection, TornadoConnection) else None

    def _delegating(self, original: Any) -> Any:
        @functools.wraps(original)
        def get_handler_delegate(request: Any, target_class: Any, *args: Any, **kwargs: Any) -> Any:
            return original(request, self._measured(target_class), *args, **kwargs)

        return get_handler_delegate

    def _measured(self, target_class: Any) -> Any:
        try:
            if issubclass(target_class, WebSocketHandler) and not self._is_socketio(target_class):
                return self._make(target_class)
        except Exception as exc:
            self.monitor.probe_failed(exc)
        return target_class

    def _is_socketio(self, target_class: type) -> bool:
        """Return True for Socket.IO's own handlers, if a Socket.IO probe counts them."""
        theirs = any(base.__module__.startswith("engineio.") for base in target_class.__mro__)
        return theirs and self.monitor.collector.measures_socketio

    def _logging(self, original: Any) -> Any:
        @functools.wraps(original)
        def log_request(handler: RequestHandler) -> None:
            attempt(self.monitor, self._answered, handler)
            original(handler)

        return log_request

    def _answered(self, handler: RequestHandler) -> None:
        """Count a response as a failed handshake, or as a plain HTTP request."""
        status = handler.get_status()
        if status == 101 or self._is_socketio(type(handler)) or not self.monitor.arm("probe"):
            return
        if handler.request.headers.get("Upgrade", "").lower() == "websocket":
            detail = f"refused with HTTP {status}"
            TornadoConnection(self.monitor, handler).rejected(status=status, detail=detail)
        else:
            self.monitor.collector.http_request()
