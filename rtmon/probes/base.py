"""The contract of a probe: what it reports to a Monitor of each connection, and when.

A probe stands where a library moves messages. For each connection it makes one
:class:`ConnectionProbe`, and calls it on the thread of the event loop:

* ``opened()`` once the handshake is complete, or ``rejected()`` if it failed or was refused.
  Describe the peer first: ``meter.remote``, ``meter.path``, ``meter.user_agent``.
* ``received()`` and ``sent()`` once for each whole message, after the library has taken it, so
  that nothing is counted which it refused. Control frames are no messages.
* ``handler_failed()`` if an exception left the handler, unless it only says that the peer has left.
* ``ended()`` once, however the connection ended: a close frame of either side, a lost transport, a
  handler that fails or is cancelled, the end of the server. A connection that is never ended stays
  in the table for ever.

Each number is counted once. Where two probes of one Monitor see a connection, such as ASGI's and
Socket.IO's, only the one nearest to the application counts it. What a library does not tell
stays null: ``rtmon/metrics/column.py`` names the kinds of probes, and the columns that each knows.

Nothing that goes wrong in a probe reaches a connection: hooks run in :func:`attempt`.

A hot path adds integers and nothing else. It may leave out ``received()`` and ``sent()``, and do
the same additions to ``meter`` and ``meter.ledger`` in line, or call ``meter.received()`` and
``meter.sent()`` where it knows no more than the sizes of messages.

``tests/probes/test_contract.py`` holds every probe to this.
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
"""Attribute of what is measured: Monitor → its probe."""


class ConnectionProbe:
    """Reports one connection to a Monitor.

    Args:
        monitor: records what is reported.
        role: ``server`` or ``client``: which end of the connection is measured.
        transport: how messages travel.

    Attributes:
        kind: the library, one of :data:`rtmon.metrics.columns.EVERY`.
        counted: False where the Monitor does not measure this event loop; nothing is reported.
        meter: counters of the connection.
        now: reads the monotonic clock.
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
            # Where another thread ticks, this loop must not touch that thread's ledgers.
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
        """Report that the handshake is complete."""
        if self.counted:
            self.monitor.connection_opened(self.meter)

    def rejected(self, *, status: int | None, detail: str) -> None:
        """Report that the handshake failed or was refused.

        Args:
            status: HTTP status of the answer; None if there was none.
            detail: what happened, for the event log.
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
        """Count a whole message received, and keep it in the black box.

        Args:
            size: bytes of payload; see :func:`text_size`.
            binary: True for a binary message.
            payload: its content, kept only if the operator asked for that.
            handed: True if the handler has it at once, so that its time begins.
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
        """Count a whole message sent, and keep it in the black box; see :meth:`received`."""
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
        """Report that the handler waits for the next message: it is done with the last one."""
        handed_at = self._handed_at
        if handed_at is not None:
            self._handed_at = None
            meter, seconds = self.meter, self.now() - handed_at
            meter.handler.steps[int(seconds * 1e6)] += 1
            meter.handler_time += seconds

    def round_trip(self, seconds: float) -> None:
        """Report how long the answer to a ping took."""
        if self.counted:
            self.monitor.collector.rtt(self.meter, seconds)

    def handler_failed(self, exc: BaseException, *, code: int | None = None) -> None:
        """Report that an exception left the handler.

        Args:
            exc: the exception.
            code: close code that the library sends for it; None if it sends none.
        """
        if self.counted:
            self.monitor.handler_failed(self.meter, exc, code=code)

    def ended(self, ending: Ending) -> None:
        """Report that the connection has ended; only the first call counts."""
        if self.counted:
            self.monitor.connection_closed(self.meter, ending)


def attempt(monitor: Recorder, hook: Callable[..., None], *args: Any) -> None:
    """Call a probe's hook; an exception is counted and logged, and goes no further."""
    try:
        hook(*args)
    except Exception as exc:
        monitor.probe_failed(exc)


def instrumented(
    subject: Any, monitor: Recorder, make: Callable[[], P], *, alone: str | None = None
) -> P:
    """Return a Monitor's probe on an application or a server, made when first asked for.

    Args:
        subject: what is measured; it keeps its probes.
        monitor: the Monitor.
        make: makes the probe, unless there is one.
        alone: what the subject is called, if only one Monitor can measure it.

    Raises:
        OptionError: another Monitor measures it.
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
    """Return ``host:port`` of a socket's peer name; None for a Unix socket, which has none."""
    if not isinstance(peer, tuple):
        return None
    host, port = peer[0], peer[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def octets(data: Any) -> Any:
    """Return the data of a binary message such that its length is its bytes.

    ``len()`` of a view of anything but bytes, such as an array of numbers, counts its items.
    """
    if type(data) is memoryview and (data.itemsize != 1 or data.ndim != 1):
        return bytes(data)
    return data


def text_size(text: str) -> int:
    """Return the bytes of a text in UTF-8, as it travels."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
