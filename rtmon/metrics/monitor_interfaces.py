"""Interfaces by which probes, sinks, feeds and clients know a Monitor.

They stand below the Monitor, so that nothing that reports to one or reads one imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ..core.clock import Clock
    from .collector import Collector, Tick
    from .meter import Ending, Meter
    from .recent_frames import BlackBox
    from .records import ConnectionInfo, Snapshot

__all__ = ["Purpose", "Recorder", "Sink", "TickSource"]

Purpose = Literal["serve", "probe", "display"]
"""Why a Monitor is asked to tick on the running event loop.

A server or a probe decides which loop is measured; a display borrows one until then.
"""


class Recorder(Protocol):
    """A Monitor as probes and clients know it: it records what they report.

    All methods are called on the thread of the event loop that is measured.
    """

    @property
    def clock(self) -> Clock:
        """Source of all times that a probe reports."""

    @property
    def collector(self) -> Collector:
        """Meters, round-trip times and HTTP requests are counted here; replaced after a fork."""

    @property
    def capture_payload(self) -> bool:
        """True if black boxes keep the beginning of each frame's payload."""

    def arm(self, purpose: Purpose) -> bool:
        """Tick on the running loop; returns whether connections on this loop are counted."""

    def connection_opened(self, meter: Meter, at: tuple[float, float] | None = None) -> None:
        """Record that a handshake was completed; see :meth:`connection_closed` for ``at``."""

    def connection_closed(
        self, meter: Meter, ending: Ending, at: tuple[float, float] | None = None
    ) -> None:
        """Record that an opened connection has ended.

        Args:
            meter: of the connection.
            ending: how it ended.
            at: when, in monotonic and in Unix seconds; None for now.
        """

    def connection_rejected(self, meter: Meter, *, status: int | None, detail: str) -> None:
        """Record that a WebSocket handshake failed or was refused."""

    def refused(self, meter: Meter | None, *, code: int, detail: str) -> None:
        """Record that a hub refused a client after its handshake."""

    def handler_failed(self, meter: Meter, exc: BaseException, *, code: int | None = None) -> None:
        """Record that an exception left a connection's handler."""

    def keep_payload(self, box: BlackBox, payload: bytes | bytearray | memoryview) -> None:
        """Keep the beginning of the payload of the frame that a black box recorded last."""

    def probe_failed(self, exc: Exception) -> None:
        """Count an exception inside a probe; it is logged once a minute at most."""

    def event(self, kind: str, detail: str) -> None:
        """Add a line to the event log."""

    def follow(self, client: Callable[[], object]) -> None:
        """Show a client's numbers: ``client`` returns a record of the clients table."""


class TickSource(Protocol):
    """A Monitor as sinks and feeds know it: they read what it measured."""

    @property
    def node(self) -> str:
        """Name of the server process."""

    @property
    def interval(self) -> float:
        """Seconds between ticks."""

    @property
    def clock(self) -> Clock:
        """Source of the time of each tick."""

    @property
    def collector(self) -> Collector:
        """Holds history, tables and totals; replaced after a fork."""

    @property
    def closed(self) -> bool:
        """True once the Monitor has been closed."""

    @property
    def probe_failures(self) -> int:
        """Exceptions inside probes so far."""

    @property
    def uncounted(self) -> int:
        """Connections and requests on a second event loop so far, which are in no number."""

    @property
    def failing_sinks(self) -> int:
        """Sinks that take nothing now and are tried again."""

    @property
    def waiting_ticks(self) -> int:
        """Ticks that wait for the slowest sink."""

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the process had used at the last tick, in seconds."""

    @property
    def own_seconds(self) -> float:
        """Time that all ticks have taken so far, in seconds."""

    def arm(self, purpose: Purpose) -> bool:
        """Tick on the running loop; returns whether connections on this loop are counted."""

    def snapshot(self) -> Snapshot:
        """Return the totals since the Monitor began."""

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call a function with every tick, on the loop; returns a function that ends this."""


class Sink(Protocol):
    """Receives every tick. ``write`` and ``close`` run on the sink's own thread.

    The first tick names all open connections in ``meters``. A sink with an attribute ``tables``,
    out of ``channels`` and ``socketio``, finds these tables in each tick's ``tables``. One with an
    attribute ``subject`` is called so in Events about its failures; others are called ``sink``.
    """

    def open(self, node: str, epoch: str) -> None:
        """Prepare to write; an exception is raised by ``Monitor.attach``."""

    def write(self, tick: Tick) -> None:
        """Write one tick; an exception detaches the sink.

        After an ``OSError`` that may pass, such as of a full disk, the same tick is written again,
        with growing delays: a sink that has written a part of it goes on there.
        """

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Finish; ``connections`` is the connections table at that moment."""
