"""The contract of a probe: which events of a connection it reports to a Monitor, and when.

A probe is called where a library receives and sends messages. For each connection it makes one
:class:`ConnectionProbe`, and calls it on the thread of the event loop:

* ``opened()`` when the handshake is complete, or ``rejected()`` if it failed or was refused. Before
  that, describe the peer: ``meter.remote``, ``meter.path``, ``meter.user_agent``.
* ``received()`` and ``sent()`` once for each whole message, after the library has accepted it. So
  messages that the library refuses are not counted. Control frames are not messages.
* ``handler_failed()`` if the handler raised an exception, unless it means only that the peer has
  left.
* ``ended()`` once, however the connection ended: by a close frame of either side, a lost transport,
  a handler that failed or was cancelled, or the end of the server. A connection without ``ended()``
  stays in the table of open connections for ever.

Each number is counted once. If two probes of one Monitor see the same connection, such as those of
ASGI and Socket.IO, only the one nearest to the application counts. What a library does not report
stays null: ``rtmon/metrics/column.py`` lists the kinds of probes, and the columns that each fills.

An error in a probe never reaches a connection: its methods are called by :func:`attempt`.

Code that runs for every message only adds integers. A probe need not call ``received()`` and
``sent()`` there. It may do the same additions to ``meter`` and ``meter.ledger`` inline, or call
``meter.received()`` and ``meter.sent()`` if it knows only the sizes of messages.

``tests/probes/test_contract.py`` tests every probe against this contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..errors import OptionError
from ..metrics.collector import uncounted
from ..metrics.recent_frames import BlackBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..metrics.meter import Ending
    from ..metrics.monitor_interfaces import Recorder

__all__ = [
    "BINARY",
    "TEXT",
    "ConnectionProbe",
    "attempt",
    "instrumented",
    "octets",
    "peer_address",
    "text_size",
]

P = TypeVar("P")

TEXT, BINARY = 1, 2
"""Opcodes of data frames (RFC 6455, section 5.2)."""


_PROBES = "_rtmon_probes"
"""Attribute of a measured application or server: a mapping of each Monitor to its probe."""


class ConnectionProbe:
    """Reports one connection to a Monitor.

    Args:
        monitor: the Monitor that records the connection.
        role: the measured end of the connection, ``server`` or ``client``.
        transport: how messages are transported, such as ``websocket`` or ``sse``.

    Attributes:
        kind: the kind of probe, one of :data:`rtmon.metrics.columns.EVERY`.
        counted: False if the Monitor does not measure this event loop. Then nothing is reported.
        meter: counters of the connection.
        now: returns monotonic seconds.
    """

    __slots__ = ("_handed_at", "counted", "meter", "monitor", "now")

    kind: ClassVar[str]

    def __init__(
        self, monitor: Recorder, *, role: str = "server", transport: str = "websocket"
    ) -> None:
        self.monitor = monitor
        self.now = monitor.clock.monotonic
        self._handed_at: float | None = None
        try:
            # If the Monitor ticks on another thread, its counters must not be changed here.
            self.counted = monitor.arm("probe")
            self.meter = (
                monitor.collector.meter(role=role, transport=transport, probe=self.kind)
                if self.counted
                else uncounted()
            )
        except Exception as exc:
            self.counted, self.meter = False, uncounted()
            monitor.probe_failed(exc)

    def opened(self) -> None:
        """Report that the handshake is complete and the connection is open."""
        if self.counted:
            self.monitor.connection_opened(self.meter)

    def rejected(self, *, status: int | None, detail: str) -> None:
        """Report that the handshake failed or was refused.

        Args:
            status: HTTP status of the response; None if there was no response.
            detail: the reason, for the event log.
        """
        if self.counted:
            self.monitor.connection_rejected(self.meter, status=status, detail=detail)

    def received(
        self,
        size: int,
        *,
        binary: bool = False,
        payload: bytes | str | None = None,
        handed: bool = False,
    ) -> None:
        """Count a received message, and keep it in the black box.

        Args:
            size: size of the payload in bytes; see :func:`text_size`.
            binary: True for a binary message.
            payload: the payload, which is kept only if the operator has switched that on.
            handed: True if the handler gets the message now, so that its handler time begins.
        """
        meter = self.meter
        meter.received(size, binary=binary)
        meter.last = now = self.now()
        if handed:
            self._handed_at = now
        if meter.box is None:
            meter.box = BlackBox()
        meter.box.record(now, size, BINARY if binary else TEXT, sent=False)
        if payload is not None and self.monitor.capture_payload:
            self._keep(meter.box, payload)

    def sent(self, size: int, *, binary: bool = False, payload: bytes | str | None = None) -> None:
        """Count a sent message, and keep it in the black box. Arguments as :meth:`received`."""
        meter = self.meter
        meter.sent(size, binary=binary)
        meter.last = now = self.now()
        if meter.box is None:
            meter.box = BlackBox()
        meter.box.record(now, size, BINARY if binary else TEXT, sent=True)
        if payload is not None and self.monitor.capture_payload:
            self._keep(meter.box, payload)

    def _keep(self, box: BlackBox, payload: bytes | str) -> None:
        data = payload.encode("utf-8", "replace") if isinstance(payload, str) else payload
        self.monitor.keep_payload(box, data)

    def asked(self) -> None:
        """Report that the handler waits for the next message; it has finished the previous one."""
        handed_at = self._handed_at
        if handed_at is not None:
            self._handed_at = None
            meter, seconds = self.meter, self.now() - handed_at
            meter.handler.steps[int(seconds * 1e6)] += 1
            meter.handler_time += seconds

    def round_trip(self, seconds: float) -> None:
        """Report the round-trip time of a ping, in seconds."""
        if self.counted:
            self.monitor.collector.rtt(self.meter, seconds)

    def handler_failed(self, exc: BaseException, *, code: int | None = None) -> None:
        """Report that the handler raised an exception.

        Args:
            exc: the exception.
            code: close code that the library sends because of it; None if it sends none.
        """
        if self.counted:
            self.monitor.handler_failed(self.meter, exc, code=code)

    def ended(self, ending: Ending) -> None:
        """Report that the connection has ended. Only the first call counts."""
        if self.counted:
            self.monitor.connection_closed(self.meter, ending)


def attempt(monitor: Recorder, hook: Callable[..., None], *args: Any) -> None:
    """Call a method of a probe. If it raises, count and log the exception."""
    try:
        hook(*args)
    except Exception as exc:
        monitor.probe_failed(exc)


def instrumented(
    subject: Any, monitor: Recorder, make: Callable[[], P], *, alone: str | None = None
) -> P:
    """Return a Monitor's probe of an application or server; make it at the first call.

    Args:
        subject: the application or server, which stores its probes.
        monitor: the Monitor.
        make: makes the probe.
        alone: name of the subject in an error message, if only one Monitor may measure it. None if
            several may.

    Raises:
        OptionError: another Monitor measures it, and only one may.
    """
    probes: dict[Recorder, P] = getattr(subject, _PROBES, {})
    if monitor in probes:
        return probes[monitor]
    if probes and alone is not None:
        raise OptionError(f"another Monitor measures this {alone}; use that one")
    probe = make()
    subject.__dict__[_PROBES] = {**probes, monitor: probe}
    return probe


def peer_address(peer: Any) -> str | None:
    """Return ``host:port`` for a socket's peer name; None for a Unix socket, which has none."""
    if not isinstance(peer, tuple):
        return None
    host, port = peer[0], peer[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def octets(data: Any) -> Any:
    """Return binary data in a form whose ``len()`` is its number of bytes.

    For a memoryview of other items than bytes, such as numbers, ``len()`` is the number of items.
    """
    if type(data) is memoryview and (data.itemsize != 1 or data.ndim != 1):
        return bytes(data)
    return data


def text_size(text: str) -> int:
    """Return the size of a text in UTF-8, in bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
