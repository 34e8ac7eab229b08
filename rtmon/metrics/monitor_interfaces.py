"""Interfaces of a Monitor, as probes, clients, feeds and sinks use it.

These interfaces are defined in this package so that probes, clients, feeds and sinks need not
import :mod:`rtmon.monitor`.
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
"""The kind of caller that makes a Monitor tick on the running event loop.

The first loop of a server or a probe becomes the measured loop. A display makes the Monitor tick on
the display's loop only until a server or probe calls.
"""


class Recorder(Protocol):
    """The interface of a Monitor for probes and clients, which report connections to it.

    All methods must be called on the thread of the measured event loop.
    """

    @property
    def clock(self) -> Clock:
        """Clock for all times that a probe reports."""

    @property
    def collector(self) -> Collector:
        """The Collector, which creates Meters and counts round-trip times and HTTP requests.

        After a fork, the child process gets a new Collector.
        """

    @property
    def capture_payload(self) -> bool:
        """True if black boxes keep the first bytes of each frame's payload."""

    def arm(self, purpose: Purpose) -> bool:
        """Start to tick on the running event loop, unless another loop is measured.

        Returns:
            True if connections on the running loop are counted.
        """

    def connection_opened(self, meter: Meter, at: tuple[float, float] | None = None) -> None:
        """Record that a connection's handshake has completed.

        Args:
            meter: Meter of the connection.
            at: time of the handshake in monotonic and in Unix seconds; None for now.
        """

    def connection_closed(
        self, meter: Meter, ending: Ending, at: tuple[float, float] | None = None
    ) -> None:
        """Record that an opened connection has ended.

        Args:
            meter: Meter of the connection.
            ending: how the connection ended.
            at: time of the end in monotonic and in Unix seconds; None for now.
        """

    def connection_rejected(self, meter: Meter, *, status: int | None, detail: str) -> None:
        """Record that a WebSocket handshake failed or was refused."""

    def refused(self, meter: Meter | None, *, code: int, detail: str) -> None:
        """Record that a hub refused a client after the WebSocket handshake.

        Args:
            meter: Meter of the connection; None if it has none.
            code: close code sent to the client.
            detail: description for the Event.
        """

    def handler_failed(self, meter: Meter, exc: BaseException, *, code: int | None = None) -> None:
        """Record that a connection's handler raised an exception."""

    def keep_payload(self, box: BlackBox, payload: bytes | bytearray | memoryview) -> None:
        """Store the first bytes of the payload of the newest frame in the black box."""

    def probe_failed(self, exc: Exception) -> None:
        """Count an exception inside a probe. At most one per minute is logged."""

    def event(self, kind: str, detail: str) -> None:
        """Add an Event to the event log, without a connection."""

    def follow(self, client: Callable[[], object]) -> None:
        """List a client in the clients table.

        Args:
            client: function that returns the client's current record of the clients table.
        """


class TickSource(Protocol):
    """The interface of a Monitor for feeds and sinks, which read the measurements."""

    @property
    def node(self) -> str:
        """Name of the server process."""

    @property
    def interval(self) -> float:
        """Seconds between ticks."""

    @property
    def clock(self) -> Clock:
        """Clock that gives the time of each tick."""

    @property
    def collector(self) -> Collector:
        """The Collector, which holds the history, tables and totals.

        After a fork, the child process gets a new Collector.
        """

    @property
    def closed(self) -> bool:
        """True once the Monitor has been closed."""

    @property
    def probe_failures(self) -> int:
        """Number of exceptions inside probes so far."""

    @property
    def uncounted(self) -> int:
        """Number of connections and requests that ran on an event loop which is not measured."""

    @property
    def failing_sinks(self) -> int:
        """Number of sinks whose writing fails at present and is retried."""

    @property
    def waiting_ticks(self) -> int:
        """Number of ticks queued for the slowest sink."""

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the process had used at the last tick."""

    @property
    def own_seconds(self) -> float:
        """Total seconds that the Monitor has spent on ticks so far."""

    def arm(self, purpose: Purpose) -> bool:
        """Start to tick on the running event loop, unless another loop is measured.

        Returns:
            True if connections on the running loop are counted.
        """

    def snapshot(self) -> Snapshot:
        """Return the totals since the Monitor was created."""

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call ``listener`` at every tick, on the measured event loop.

        Returns:
            A function that removes the listener.
        """


class Sink(Protocol):
    """An output that receives every tick. ``write`` and ``close`` run on the sink's own thread.

    The first tick that a sink receives has all open connections in ``meters``. Two optional
    attributes of a sink are read:

    * ``tables``: names of tables, out of ``channels``, ``socketio`` and ``addresses``, that the
      sink needs in each tick's ``tables``.
    * ``subject``: the sink's name in Events about its failures; by default ``sink``.
    """

    def open(self, node: str, epoch: str) -> None:
        """Prepare to write ticks. An exception from this method is raised by ``Monitor.attach``.

        Args:
            node: name of the server process.
            epoch: id of the epoch.
        """

    def write(self, tick: Tick) -> None:
        """Write one tick. An exception from this method detaches the sink.

        There is one exception: after a temporary ``OSError``, such as a full disk, the sink stays
        attached, and this method is called again with the same tick, after a growing delay. If the
        sink had written a part of the tick, it must continue after this part.
        """

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Finish writing, and release resources.

        Args:
            connections: rows of the connections table at the end.
        """
