"""Count what one connection of ``websockets.sync`` does between two ticks, on several threads.

Several threads use a connection: one reads, one runs the handler, and any thread may send. So each
addition holds the connection's own lock, which otherwise only the tick takes. A Monitor's counters
are changed only on the thread that ticks; this thread adds the connection's counts to them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ...metrics.meter import Ending, Meter
    from ...metrics.monitor_interfaces import Recorder

__all__ = ["KIND", "Moment", "Peer", "Tally"]

KIND = "websockets-sync"
"""Kind of the probe for ``websockets.sync``; see :data:`rtmon.metrics.columns.EVERY`."""

ROUND_TRIPS = 1_000
"""Maximum number of round-trip times kept between two ticks; older ones are dropped."""


class Moment(NamedTuple):
    """The time of an event: in monotonic seconds (``now``) and in Unix seconds (``time``)."""

    now: float
    time: float


@dataclass(slots=True, kw_only=True)
class Peer:
    """What the handshake shows about the client."""

    remote: str | None = None
    path: str | None = None
    user_agent: str | None = None
    subprotocol: str | None = None


@dataclass(slots=True)
class _Counts:
    """Counts since the last tick. For messages: the number of messages of each size."""

    text_in: Counter[int] = field(default_factory=Counter)
    binary_in: Counter[int] = field(default_factory=Counter)
    text_out: Counter[int] = field(default_factory=Counter)
    binary_out: Counter[int] = field(default_factory=Counter)
    handler: Counter[int] = field(default_factory=Counter)  # keys are in microseconds
    round_trips: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)


class Tally:
    """Counters of one connection.

    Args:
        monitor: the Monitor.
        changed: called with this object when it has new counts, once between two ticks.

    Attributes:
        name: name under which the connection is shown; the application may set it.
        peer: what is known about the client.
    """

    def __init__(self, monitor: Recorder, changed: Callable[[Tally], None]) -> None:
        self.name: str | None = None
        self.peer = Peer()
        self._monitor = monitor
        self._clock = monitor.clock
        self._changed = changed
        self._lock = threading.Lock()
        self._dirty = False
        self._counts = _Counts()
        self._meter: Meter | None = None
        self._last: float | None = None
        self._handed_at: float | None = None
        self._opened: Moment | None = None
        self._rejected: tuple[int | None, str] | None = None
        self._http_requests = 0
        self._ended: tuple[Moment, Ending] | None = None

    def opened(self) -> None:
        """Report that the handshake is complete and the connection is open."""
        with self._lock:
            self._opened = self._moment()
            self._mark()

    def rejected(self, *, status: int | None, detail: str) -> None:
        """Report that the handshake failed or was refused.

        Args:
            status: HTTP status of the response; None if there was no response.
            detail: the reason, for the event log.
        """
        with self._lock:
            self._rejected = status, detail
            self._mark()

    def http_request(self) -> None:
        """Report that a plain HTTP request was answered."""
        with self._lock:
            self._http_requests += 1
            self._mark()

    def received(self, size: int, *, binary: bool) -> None:
        """Count a received message of ``size`` bytes."""
        with self._lock:
            counts = self._counts
            (counts.binary_in if binary else counts.text_in)[size] += 1
            self._last = self._clock.monotonic()
            self._mark()

    def sent(self, size: int, *, binary: bool) -> None:
        """Count a sent message of ``size`` bytes."""
        with self._lock:
            counts = self._counts
            (counts.binary_out if binary else counts.text_out)[size] += 1
            self._last = self._clock.monotonic()
            self._mark()

    def handed(self) -> None:
        """Report that the handler was given a message: its handler time begins."""
        with self._lock:
            self._handed_at = self._clock.monotonic()

    def asked(self) -> None:
        """Report that the handler has finished its last message: its handler time ends."""
        with self._lock:
            if self._handed_at is not None:
                seconds = self._clock.monotonic() - self._handed_at
                self._handed_at = None
                self._counts.handler[int(seconds * 1e6)] += 1
                self._mark()

    def round_trip(self, seconds: float) -> None:
        """Report the round-trip time of a ping, in seconds."""
        with self._lock:
            trips = self._counts.round_trips
            trips.append(seconds)
            del trips[:-ROUND_TRIPS]
            self._mark()

    def handler_failed(self, exc: BaseException) -> None:
        """Report that the handler raised an exception; `websockets` closes with code 1011."""
        with self._lock:
            self._counts.failures.append(exc)
            self._mark()

    def ended(self, ending: Ending) -> None:
        """Report that the connection has ended. Only the first call counts."""
        with self._lock:
            if self._ended is None:
                self._ended = self._moment(), ending
                self._mark()

    def _moment(self) -> Moment:
        return Moment(self._clock.monotonic(), self._clock.time())

    def _mark(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._changed(self)

    def fold(self) -> None:
        """Add the new counts to the Monitor; called on the thread that ticks."""
        with self._lock:
            self._dirty = False
            counts, self._counts = self._counts, _Counts()
            last, opened, ended = self._last, self._opened, self._ended
            rejected, self._rejected = self._rejected, None
            http_requests, self._http_requests = self._http_requests, 0
        for _ in range(http_requests):
            self._monitor.collector.http_request()
        meter = self._meter
        if meter is None:
            meter = self._meter = self._monitor.collector.meter(probe=KIND)
        meter.remote, meter.path = self.peer.remote, self.peer.path
        meter.user_agent, meter.subprotocol = self.peer.user_agent, self.peer.subprotocol
        if rejected is not None:
            status, detail = rejected
            self._monitor.connection_rejected(meter, status=status, detail=detail)
        if opened is not None and meter.opened is None:
            self._monitor.connection_opened(meter, opened)
        meter.name, meter.last = self.name, last
        _add(meter, counts)
        for seconds in counts.round_trips:
            self._monitor.collector.rtt(meter, seconds)
        for exc in counts.failures:
            self._monitor.handler_failed(meter, exc, code=1011)
        if ended is not None:
            at, ending = ended
            self._monitor.connection_closed(meter, ending, at)


def _add(meter: Meter, counts: _Counts) -> None:
    """Add message counts and handler times to a Meter and its ledger."""
    ledger = meter.ledger
    for sizes in (counts.text_in, counts.binary_in):
        for size, count in sizes.items():
            meter.messages_in += count
            meter.bytes_in += size * count
            ledger.size_in.steps[size] += count
    for sizes in (counts.text_out, counts.binary_out):
        for size, count in sizes.items():
            meter.own_messages_out += count
            meter.own_bytes_out += size * count
            ledger.size_out.steps[size] += count
    meter.bump("binary_in", counts.binary_in.total())
    meter.bump("binary_out", counts.binary_out.total())
    for microseconds, count in counts.handler.items():
        meter.handler.steps[microseconds] += count
        meter.handler_time += microseconds * count / 1e6
