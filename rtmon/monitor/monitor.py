"""The Monitor: collects the reports of probes, and passes each tick to sinks and feeds."""

from __future__ import annotations

import math
import traceback
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from ..core.clock import SYSTEM_CLOCK, Clock
from ..errors import MonitorError, OptionError
from ..metrics.safe_text import safe_text
from .dataframes import frame
from .process_measurement import Measurement

if TYPE_CHECKING:
    import pandas as pd

    from ..metrics.collector import Collector, Tick
    from ..metrics.hub_and_socketio_sources import Measurable
    from ..metrics.meter import Ending, Meter
    from ..metrics.monitor_interfaces import Purpose, Sink
    from ..metrics.recent_frames import BlackBox
    from ..metrics.records import Sample, Snapshot
    from .sink_thread import Attachment

__all__ = ["Monitor"]

TRACEBACK_LENGTH = 8192
"""Maximum characters kept of a traceback, from its end."""

CLIENTS_KEPT = 1000
"""Maximum number of reporting clients; beyond it the oldest are dropped."""


class Monitor:
    """Measures the WebSocket connections of a process.

    A Monitor needs no event loop to exist. It starts to tick on the running loop with the first
    server, probed connection, or display. When that loop has ended, it continues on the next one.

    As the last line of a notebook cell it shows a live dashboard.

    Args:
        node: name of this server process; host name and process id by default.
        interval: seconds between ticks.
        clock: source of time; see :class:`rtmon.core.clock.Clock`.
        closed_kept: number of closed connections to remember.
        capture_payload: True if the black box of a connection keeps the first 64 bytes of each
            frame's payload, too. They may hold secrets, and every view shows them.
        redact: called with the first 4096 bytes of a frame's payload; the first 64 bytes of its
            result are kept, or nothing if it raises. A secret split over two fragments is
            passed to it in two parts.

    Raises:
        OptionError: the interval is not a positive number, or another option is invalid.
    """

    def __init__(
        self,
        *,
        node: str | None = None,
        interval: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
        closed_kept: int = 1000,
        capture_payload: bool = False,
        redact: Callable[[bytes], bytes] | None = None,
    ) -> None:
        _check(interval, closed_kept, redact)
        self._measurement = Measurement(
            node=node, interval=interval, clock=clock, closed_kept=closed_kept
        )
        self.clock = clock
        self.interval = interval
        self.capture_payload = capture_payload
        self.redact = redact
        self._clients: deque[Callable[[], object]] = deque(maxlen=CLIENTS_KEPT)

    def __repr__(self) -> str:
        if self._measurement.unknown or (self.uncounted and not self._measurement.ticking):
            return f"<rtmon.Monitor {self.node}: {self._measurement.why_uncounted}>"
        state = "closed" if self.closed else "ticking" if self._measurement.ticking else "idle"
        return f"<rtmon.Monitor {self.node} {state}: {self.snapshot()}>"

    @property
    def collector(self) -> Collector:
        """The counters; a new one after a fork."""
        return self._measurement.collector

    @property
    def node(self) -> str:
        """The name of this server process."""
        return self.collector.node

    @property
    def epoch(self) -> str:
        """The name of this epoch: the lifetime of the counters."""
        return self.collector.epoch

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process up to the last tick, in seconds."""
        return self._measurement.gauges.used

    @property
    def own_seconds(self) -> float:
        """Total time of all ticks, in seconds."""
        return self._measurement.own_seconds

    @property
    def probe_failures(self) -> int:
        """Number of exceptions inside probes: each may have left something uncounted."""
        return self._measurement.probe_failures

    @property
    def uncounted(self) -> int:
        """Number of connections and requests on a second event loop, which are not measured."""
        return self._measurement.uncounted

    @property
    def failing_sinks(self) -> int:
        """Number of sinks that fail at present, such as on a full disk, and are retried."""
        return self._measurement.outputs.failing

    @property
    def waiting_ticks(self) -> int:
        """Number of ticks queued for the slowest sink; beyond 60, ticks are dropped."""
        return self._measurement.outputs.waiting

    @property
    def closed(self) -> bool:
        """True once the Monitor has been closed."""
        return self._measurement.closed

    def arm(self, purpose: Purpose) -> bool:
        """Tick on the running loop, unless the Monitor does so already.

        Args:
            purpose: see :data:`rtmon.metrics.monitor_interfaces.Purpose`.

        Returns:
            True if connections on the running loop are counted.

        Raises:
            MonitorError: a server would run on a second event loop, or the Monitor is closed.
        """
        return self._measurement.arm(purpose)

    def tick(self) -> Tick:
        """Tick now, in addition to the regular ticks.

        Raises:
            MonitorError: called on another thread than that of the measured loop.
        """
        return self._measurement.tick()

    def close(self) -> None:
        """Tick a last time, close all sinks, and stop. Idempotent; callable from any thread."""
        self._measurement.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def measure(self, hub: Measurable) -> None:
        """Show a hub's channels and fan-out times."""
        self.collector.measure(hub)

    def connection_opened(self, meter: Meter, at: tuple[float, float] | None = None) -> None:
        """Record that a handshake was completed."""
        now, time = at or (self.clock.monotonic(), self.clock.time())
        self.collector.opened(meter, now, time)

    def connection_closed(
        self, meter: Meter, ending: Ending, at: tuple[float, float] | None = None
    ) -> None:
        """Record that an opened connection has ended."""
        now, time = at or (self.clock.monotonic(), self.clock.time())
        self.collector.closed(meter, now, time, ending)

    def connection_rejected(self, meter: Meter, *, status: int | None, detail: str) -> None:
        """Record that a WebSocket handshake failed or was refused."""
        if meter.path is not None:
            detail = f"{detail} at {meter.path}"
        # http.HTTPStatus is an int, but is not formatted as one.
        code = None if status is None else int(status)
        self.collector.rejected(meter, self.clock.time(), status=code, detail=detail)

    def refused(self, meter: Meter | None, *, code: int, detail: str) -> None:
        """Record that a hub refused a client after its handshake."""
        self.collector.events.add(
            "refused", self.clock.time(), meter=meter, code=code, detail=detail
        )

    def handler_failed(self, meter: Meter, exc: BaseException, *, code: int | None = None) -> None:
        """Record that an exception left a connection's handler.

        Args:
            meter: of the connection.
            exc: what was raised.
            code: close code sent for it; None if the probe does not know one.
        """
        meter.bump("errors")
        trace = "".join(traceback.format_exception(exc))
        meter.traceback = safe_text(trace[-TRACEBACK_LENGTH:], TRACEBACK_LENGTH)
        detail = f"the handler raised {type(exc).__name__}: {exc}"
        self.collector.events.add("error", self.clock.time(), meter=meter, code=code, detail=detail)

    def keep_payload(self, box: BlackBox, payload: bytes | bytearray | memoryview) -> None:
        """Keep the beginning of the payload of the frame that the black box recorded last."""
        try:
            box.keep_payload(payload, self.redact)
        except Exception as exc:  # noqa: BLE001 - whatever a hook raises
            self.probe_failed(exc)

    def probe_failed(self, exc: Exception) -> None:
        """Count an exception inside a probe; log at most one a minute."""
        self._measurement.probe_failed(exc)

    def event(self, kind: str, detail: str) -> None:
        """Add an entry to the event log; to be called on the measured thread."""
        self._measurement.event(kind, detail)

    def attach(self, sink: Sink) -> Attachment:
        """Send every future tick to a sink, on a thread of its own.

        Use the result as a context manager, or call its ``close()``, to close the sink.

        Raises:
            MonitorError: the Monitor is closed, or the sink is attached already.
        """
        return self._measurement.attach(sink)

    def detach(self, sink: Sink) -> None:
        """Let a sink write its queued ticks, and close it; no effect if it is not attached."""
        self._measurement.detach(sink)

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call a function with every tick, on the loop; returns a function that unsubscribes it.

        The function must not block. Its exceptions are logged.
        """
        return self._measurement.outputs.listen(listener)

    def follow(self, client: Callable[[], object]) -> None:
        """List a client and its statistics.

        Args:
            client: returns a record with the fields of :data:`rtmon.metrics.columns.CLIENT`.
        """
        self._clients.append(client)

    def snapshot(self) -> Snapshot:
        """Return the totals since the Monitor began.

        On the measured thread they are current; on other threads, and once the Monitor is closed,
        they are those of the last tick.

        Raises:
            MonitorError: all that was to be measured ran without asyncio, so nothing is known.
        """
        unknown = self._measurement.unknown
        if unknown:
            raise MonitorError(unknown)
        return self._measurement.snapshot()

    def window(self, seconds: float) -> Sample | None:
        """Return the last seconds as one merged Sample; None before the first tick.

        ``monitor.window(3600).opened``, ``.closed`` and ``.net`` are connects, disconnects and
        the net change of the last hour. A day is remembered.
        """
        return self.collector.history.window(seconds)

    def samples(self, *, every: Literal[1, 10] = 1) -> pd.DataFrame:
        """Return the Samples as a DataFrame, one row a tick, oldest first.

        Columns, dtypes and units of this and all other DataFrames are those of
        :mod:`rtmon.metrics.columns`, times UTC.

        Args:
            every: 1 for single ticks (the last hour), 10 for ten merged into one (a day).
        """
        history = self.collector.history
        return frame("samples", history.samples() if every == 1 else history.coarse())

    def connections(self) -> pd.DataFrame:
        """Return the connections as of the last tick as a DataFrame: open ones, then closed."""
        return frame("connections", self.collector.connections())

    def channels(self) -> pd.DataFrame:
        """Return the hub's channels as a DataFrame; empty without a hub."""
        return frame("channels", self.collector.channels())

    def socketio(self) -> pd.DataFrame:
        """Return totals of Socket.IO servers by namespace, event and room; empty without one."""
        return frame("socketio", self.collector.socketio())

    def clients(self) -> pd.DataFrame:
        """Return the clients that report to this Monitor as a DataFrame, the latest thousand.

        ``rtmon.connect(url, monitor=monitor)`` makes a client report.
        """
        return frame("clients", [read() for read in list(self._clients)])

    def events(self) -> pd.DataFrame:
        """Return the Events as a DataFrame, oldest first."""
        return frame("events", self.collector.history.events())

    def view(self, page: str | None = None, **parameters: Any) -> Any:
        """Return a page or a chart of the dashboard, for a notebook to show.

        ``monitor.view("latency")``, ``monitor.view("connections", query="rtt>200ms")``,
        ``monitor.view(chart="rtt")``: see :func:`rtmon.view`, which lists all.

        Raises:
            OptionError: there is no such page, parameter or value.
            QueryError: the query is wrong.
        """
        from ..dashboard.notebook import view

        return view(self, page, **parameters)

    def _ipython_display_(self) -> None:
        from ..display import Dashboard

        Dashboard(self)._ipython_display_()


def _check(interval: Any, closed_kept: Any, redact: Any) -> None:
    if not (isinstance(interval, int | float) and 0 < interval < math.inf):
        raise OptionError(
            f"interval={interval!r}: a Monitor ticks every so many seconds, so more than 0"
        )
    if not isinstance(closed_kept, int) or closed_kept < 0:
        raise OptionError(
            f"closed_kept={closed_kept!r}: a number of connections to remember, 0 for none"
        )
    if not (redact is None or callable(redact)):
        raise OptionError(f"redact={redact!r}: a function from bytes to bytes, or None")
