"""The probe for ``websockets.sync``: makes a connection class that counts."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
import threading
from collections.abc import Callable
from inspect import isclass
from typing import TYPE_CHECKING, Any, ClassVar

from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.sync.server import ServerConnection

from ...errors import OptionError
from ...metrics.collector import Collector
from ..base import attempt, peer_address
from ..close_tracker import CloseTracker
from .frame_counter import Peer, Tally
from .thread_count_merging import Gatherer

if TYPE_CHECKING:
    from ...monitor import Monitor

__all__ = ["probe"]


def probe(monitor: Monitor, *, base: type[ServerConnection] = ServerConnection) -> type[Any]:
    """Return a connection class that reports its connections to a Monitor.

    Pass the class to ``websockets.sync``: ``serve(..., create_connection=probe(monitor))``.

    Args:
        monitor: the Monitor that records the connections.
        base: your own connection class, if you have one.

    Returns:
        A subclass of ``base``. Its connections have an attribute ``meter``; you may set
        ``meter.name``, under which a connection is shown.

    Raises:
        OptionError: ``monitor`` is not a Monitor, ``base`` is not a server connection class of
            ``websockets.sync``, or another Monitor already counts connections of that class.
    """
    if not isinstance(getattr(monitor, "collector", None), Collector):
        raise OptionError(f"probe() was given {monitor!r}: give it a Monitor")
    given: Any = base
    if not (isclass(given) and issubclass(given, ServerConnection)):
        raise OptionError(
            f"base is {base!r}: give a ServerConnection of websockets.sync.server, or a class "
            "derived from it"
        )
    if issubclass(base, _Counting):
        if base.gatherer.monitor is monitor:
            return base
        raise OptionError(
            f"{base.__name__} is counted by another Monitor already; give probe() the class "
            "below it, or use that Monitor"
        )
    return type(base.__name__, (_Counting, base), {"gatherer": Gatherer(monitor)})


class _Counting(ServerConnection):
    """Mixin before a connection class, which counts.

    Attributes:
        meter: counters of the connection.
    """

    gatherer: ClassVar[Gatherer]
    meter: Tally

    def __init__(self, sock: Any, protocol: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(sock, socket.socket):
            raise OptionError(
                "the connection class that rtmon.probes.websockets_sync makes was given to another "
                "serve() than that of websockets.sync: for websockets.asyncio there is rtmon.probe"
            )
        self.meter = self.gatherer.tally()
        self._remote: str | None = None
        with contextlib.suppress(OSError):  # the client has disconnected already
            self._remote = peer_address(sock.getpeername())
        self._partial: tuple[int, bool] = 0, False  # fragments so far: bytes, and if binary
        self._handler_failed = False
        self._handler_thread = threading.get_ident()
        _count_sent(protocol, self.meter, self._attempt)
        super().__init__(sock, protocol, *args, **kwargs)

    def _attempt(self, hook: Callable[..., None], *args: Any) -> None:
        attempt(self.gatherer.monitor, hook, *args)

    def handshake(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().handshake(*args, **kwargs)
        except BaseException as exc:
            self._attempt(self._reject, f"the handshake failed: {exc}")
            raise
        self._attempt(self._answered)

    def _answered(self) -> None:
        response = self.response
        if response is None or response.status_code != 101:
            self._reject("the handshake failed")
            return
        self._describe()
        self.meter.opened()

    def _reject(self, detail: str) -> None:
        self._describe()
        request, status = self.request, None
        if self.response is not None:
            status = int(self.response.status_code)
            detail = f"refused with HTTP {status}"
            if request is not None and "Upgrade" not in request.headers:
                self.meter.http_request()
                return
        self.meter.rejected(status=status, detail=detail)

    def _describe(self) -> None:
        request = self.request
        self.meter.peer = Peer(
            remote=self._remote,
            path=None if request is None else request.path.partition("?")[0],
            user_agent=None if request is None else request.headers.get("User-Agent"),
            subprotocol=self.protocol.subprotocol,
        )

    def recv_events(self) -> None:
        try:
            super().recv_events()
        finally:
            self._attempt(lambda: self.meter.ended(self._ending()))

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            self._attempt(self._count_received, event)
        super().process_event(event)

    def _count_received(self, frame: Frame) -> None:
        size, binary = self._partial
        if frame.opcode is not Opcode.CONT:
            size, binary = 0, frame.opcode is Opcode.BINARY
        size += len(frame.data)
        self._partial = size, binary
        if frame.fin:
            self.meter.received(size, binary=binary)

    def acknowledge_pings(self, data: bytes) -> None:
        solicited = data in self.pending_pings
        super().acknowledge_pings(data)
        if solicited:
            self._attempt(self.meter.round_trip, self.latency)

    def recv(self, *args: Any, **kwargs: Any) -> Any:
        self._attempt(self.meter.asked)
        message = super().recv(*args, **kwargs)
        self._attempt(self.meter.handed)
        return message

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        if threading.get_ident() == self._handler_thread:
            self._attempt(self._handler_closes, code, sys.exception())
        super().close(code, reason)

    def _handler_closes(self, code: int, exc: BaseException | None) -> None:
        """Report the handler's exception, if `websockets` closes the connection because of it."""
        self.meter.asked()
        left = exc is None or isinstance(exc, ConnectionClosed)
        if code == CloseCode.INTERNAL_ERROR and not left and not self._handler_failed:
            assert exc is not None  # noqa: S101 - for the type checker
            self._handler_failed = True
            self.meter.handler_failed(exc)

    def _ending(self) -> Any:
        protocol = self.protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        initiator = None
        if sent is not None or received is not None:
            initiator = "remote" if protocol.close_rcvd_then_sent else "local"
            if sent is None:
                initiator = "remote"
        closing = CloseTracker(
            initiator=initiator,
            code_sent=None if sent is None else int(sent.code),
            reason_sent=None if sent is None else sent.reason,
            code_received=None if received is None else int(received.code),
            reason_received=None if received is None else received.reason,
            handler="handler failed" if self._handler_failed else None,
        )
        return closing.ending(
            gone=True,
            slow=False,
            shutdown=self.server.socket_closed.is_set(),
            exception=self.connection_exc,
        )


def _count_sent(protocol: Any, tally: Tally, attempt: Callable[..., None]) -> None:
    """Wrap the sending methods of a protocol, so that sent messages are counted.

    The connection's mutex is held while these methods run, whichever thread sends. So messages of
    ``websockets.sync.server.broadcast()`` are counted, too.
    """
    partial: list[int] = [0, 0]  # the message in progress: bytes so far, and 1 if binary

    def count(data: Any, binary: bool | None, fin: Any = True) -> None:  # noqa: FBT001, FBT002
        if binary is not None:
            partial[:] = 0, binary
        partial[0] += memoryview(data).nbytes
        if fin:
            tally.sent(partial[0], binary=bool(partial[1]))

    def counting(original: Callable[..., None], *, binary: bool | None) -> Callable[..., None]:
        def send(data: Any, *args: Any, **kwargs: Any) -> None:
            original(data, *args, **kwargs)
            attempt(functools.partial(count, data, binary, *args, **kwargs))

        return send

    protocol.send_text = counting(protocol.send_text, binary=False)
    protocol.send_binary = counting(protocol.send_binary, binary=True)
    protocol.send_continuation = counting(protocol.send_continuation, binary=None)
