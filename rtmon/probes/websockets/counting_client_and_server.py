"""The counting classes for the server's and the client's end of a ``websockets`` connection."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import OPEN
from websockets.version import version

from ..handler_failure import cancelled, failed
from .counting_connection import CountingConnection

if TYPE_CHECKING:
    from types import CodeType, TracebackType

    from websockets.http11 import Request

    from ...metrics.monitor_interfaces import Recorder

__all__ = ["CLOSES_BY_CALL", "CountingClient", "CountingServer", "counting_class"]

CLOSES_BY_CALL = [int(number) for number in re.findall(r"\d+", version)[:2]] < [17, 2]
"""True for websockets before 17.2. These versions run a handler without ``async with connection``,
and close the connection by a call after the handler. A ``CancelledError`` skips this call.
"""


def counting_class(
    monitor: Recorder,
    base: type[Connection],
    *,
    front: tuple[type[CountingConnection], ...] = (),
    times: bool = True,
) -> type[Any]:
    """Return a subclass of a connection class that counts frames, messages and bytes.

    Args:
        monitor: the Monitor that records the connections.
        base: the connection class to derive from.
        front: mix-ins to put before the counting class, the first one first.
        times: True to record also the last frames of each connection, how long messages wait for
            the handler, and how long the handler takes.
    """
    members = {
        "monitor": monitor,
        "_times": times,
        # The base class's methods are looked up once here: super() costs more at each call.
        "_base_data_received": base.data_received,
        "_base_send_data": base.send_data,
        "_base_process_event": base.process_event,
        "_base_recv": base.recv,
        "_base_recv_streaming": base.recv_streaming,
    }
    if not times:
        members["recv_streaming"] = base.recv_streaming
        if not front:
            members["recv"] = base.recv
    end = CountingClient if issubclass(base, ClientConnection) else CountingServer
    return type(f"Probed{base.__name__}", (*front, end, base), members)


class CountingServer(CountingConnection, ServerConnection):
    """Counts at the server's end of a connection."""

    role = "server"

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        await super().handshake(*args, **kwargs)
        self._opened()
        task = asyncio.current_task()
        if CLOSES_BY_CALL and task is not None:
            task.add_done_callback(self._handler_ended)

    def _handshake_received(self, message: Any) -> None:
        self._says(message)

    def _shutting_down(self) -> bool:
        return self.server.close_task is not None

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handler_raised(exc_value)
        if self._times:
            self._handler_returned()
        await super().__aexit__(exc_type, exc_value, traceback)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if CLOSES_BY_CALL:
            self._closed_by(sys._getframe(1).f_code, code)  # noqa: SLF001 - to recognize a call by the library
        await super().close(code, reason)

    def _closed_by(self, caller: CodeType, code: int) -> None:
        """Report how the handler ended, if `websockets` called ``close()`` because of that."""
        # The library's function that calls the application's handler: a method of the connection
        # or server in websockets 17.0 and older, the server's own ``handler`` in newer versions.
        method = getattr(self.server, "conn_handler", None)
        library = getattr(method or self.server.handler, "__code__", None)
        if self._times and caller is library:
            self._handler_returned()
        exc = sys.exception() if code == 1011 else None
        where = None if exc is None else exc.__traceback__
        # A traceback starts at the frame that handles the exception. If the handler itself caught
        # it and closes with 1011, that frame is not the library's, and the handler has not failed.
        if where is not None and where.tb_frame.f_code is library:
            self._handler_raised(exc)

    def _handler_returned(self) -> None:
        """Record the handler time of the last message: the handler has returned."""
        try:
            self._tally.asked()
        except Exception as exc:
            self.monitor.probe_failed(exc)

    def _handler_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            try:
                task.result()
            except asyncio.CancelledError as exc:
                self._handler_raised(exc, task)

    def _handler_raised(
        self, exc: BaseException | None, ended: asyncio.Task[None] | None = None
    ) -> None:
        try:
            if cancelled(exc, ended):
                self._cancelled = True
            elif (
                exc is not None
                and failed(exc, left=_left, task=ended)
                and self._trouble is None
                and self._tally.counted
            ):
                self._trouble = exc
                # 1011 is sent only if the connection is still open.
                code = 1011 if self.protocol.state is OPEN and ended is None else None
                self._tally.handler_failed(exc, code=code)
        except Exception as failure:
            self.monitor.probe_failed(failure)

    def _never_opened(self) -> None:
        if self.request is not None and not _wants_websocket(self.request):
            self.monitor.collector.http_request()
        elif self.meter.wire_in:  # otherwise nothing was sent: a port check, not a failure
            self._rejected()

    def _rejected(self) -> None:
        status = None if self.response is None else self.response.status_code
        problem = self.protocol.handshake_exc
        if problem is not None:
            detail = str(problem)
        elif status is None or status == 101:
            status, detail = None, "the connection was lost during the handshake"
        else:
            detail = f"refused with HTTP {status}"
        self._tally.rejected(status=status, detail=detail)


class CountingClient(CountingConnection, ClientConnection):
    """Counts at the client's end of a connection."""

    role = "client"

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        await super().handshake(*args, **kwargs)
        if self.request is not None:
            self._says(self.request)
        self._opened()


def _left(exc: Exception) -> bool:
    return isinstance(exc, ConnectionClosed)


def _wants_websocket(request: Request) -> bool:
    return any("websocket" in value.lower() for value in request.headers.get_all("Upgrade"))
