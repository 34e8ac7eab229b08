"""The probe for ``websockets``: connection classes that count, for servers and for clients."""

from __future__ import annotations

import asyncio
import logging
import sys
from inspect import isclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import OPEN

from ...errors import OptionError
from ...monitor import Monitor
from ...servers.turbo import fast_path
from ..handler_failure import cancelled, failed
from . import flat as flat_path
from .counting import Counting

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.http11 import Request


__all__ = ["probe", "probed"]

logger = logging.getLogger("rtmon")

Way: TypeAlias = Literal["around", "flat", "fast"]

_FRONT: dict[Way, tuple[type[Any], ...]] = {
    "around": (),
    "flat": (flat_path.Flat,),
    "fast": (fast_path.FastPath, flat_path.Flat),
}

# Up to version 16 the handler runs without `async with connection`: this function catches what
# it raises, and closes with 1011.
_HANDLER_CALLER = getattr(getattr(Server, "conn_handler", None), "__code__", None)


def probe(
    monitor: Monitor,
    *,
    base: type[Connection] = ServerConnection,
    fast: bool = False,
    times: bool = True,
) -> type[Any]:
    """A connection class that counts, for ``serve(..., create_connection=probe(monitor))``.

    With ``base=ClientConnection`` it is for ``connect(..., create_connection=...)``: such
    connections have the role ``client``, rows of their own, and no part in a server's totals.

    Args:
        monitor: what counts.
        base: your own connection class, if you have one.
        fast: whether to leave out the library's steps that most messages do not need, where
            that is known to be safe; where it is not, an Event and a log line say why.
        times: whether to keep how long messages wait and handlers take, and the last frames of
            each connection, as well as the counters.

    Returns:
        A subclass of ``base``. Its connections have an attribute ``meter`` whose ``name`` you
        may set: the name under which a connection is shown.

    Raises:
        OptionError: that is no Monitor, or no connection class, or another Monitor counts
            connections of that class already.
    """
    if not isinstance(monitor, Monitor):
        raise OptionError(f"probe() was given {monitor!r}: give it a Monitor")
    given: Any = base
    if not (isclass(given) and issubclass(given, ServerConnection | ClientConnection)):
        raise OptionError(
            f"base is {base!r}: give a ServerConnection or a ClientConnection of "
            "websockets.asyncio, or a class derived from one"
        )
    if issubclass(base, ServerConnection):
        monitor.collector.expect("websockets")
    if issubclass(base, Counting):
        if base.monitor is monitor:
            return base
        raise OptionError(
            f"{base.__name__} is counted by another Monitor already; give probe() the class "
            "below it, or use that Monitor"
        )
    if fast and (obstacle := fast_path.obstacle(base)) is not None:
        fast = False
        logger.warning("the fast path is off: %s", obstacle)
        monitor.event("fast path off", obstacle)
    way: Way = "fast" if fast else "around" if flat_path.obstacle(base) else "flat"
    return probed(monitor, base, way=way, times=times)


def probed(
    monitor: Monitor, base: type[Connection], *, way: Way = "around", times: bool = True
) -> type[Any]:
    """The class that :func:`probe` returns, made without asking whether it can be so.

    Args:
        monitor: what counts.
        base: the class below.
        way: around the library's methods; flat, in their place; or with the fast path before it.
        times: as for :func:`probe`.
    """
    members = {
        "monitor": monitor,
        "_times": times,
        # What the class would find with super(), which costs more on every call.
        "_base_data_received": base.data_received,
        "_base_send_data": base.send_data,
        "_base_process_event": base.process_event,
        "_base_recv": base.recv,
        "_base_recv_streaming": base.recv_streaming,
    }
    if not times:
        members["recv_streaming"] = base.recv_streaming
        if way == "around":
            members["recv"] = base.recv
    end = CountingClient if issubclass(base, ClientConnection) else CountingServer
    return type(f"Probed{base.__name__}", (*_FRONT[way], end, base), members)


class CountingServer(Counting, ServerConnection):
    """The server's end."""

    role = "server"

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        await super().handshake(*args, **kwargs)
        self._opened()
        # Up to version 16 a CancelledError goes past all that would close the connection.
        task = getattr(self.server, "handlers", {}).get(self)
        if task is not None:
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
        if self._times and sys._getframe(1).f_code is _HANDLER_CALLER:  # noqa: SLF001 - who awaits
            self._handler_returned()
        if _HANDLER_CALLER is not None and code == 1011:
            exc = sys.exception()
            where = None if exc is None else exc.__traceback__
            # A traceback begins where the exception is being handled: a handler that closes
            # with 1011 because of something it has caught itself has not failed.
            if where is not None and where.tb_frame.f_code is _HANDLER_CALLER:
                self._handler_raised(exc)
        await super().close(code, reason)

    def _handler_returned(self) -> None:
        """The handler is done with its last message, too."""
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
                # Where the peer has closed already, nothing is said of it.
                code = 1011 if self.protocol.state is OPEN and ended is None else None
                self.monitor.handler_failed(self.meter, exc, code=code)
        except Exception as failure:
            self.monitor.probe_failed(failure)

    def _never_opened(self) -> None:
        if self.request is not None and not _wants_websocket(self.request):
            self.monitor.collector.http_request()
        elif self.meter.wire_in:  # what connects and says nothing is a port check
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
        self.monitor.connection_rejected(self.meter, status=status, detail=detail)


class CountingClient(Counting, ClientConnection):
    """The client's end."""

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
