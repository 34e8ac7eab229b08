"""The class Monitor, which measures the WebSocket connections of a process."""

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
"""Maximum number of characters kept of a traceback; the start of a longer one is cut off."""

CLIENTS_KEPT = 1000
"""Maximum number of clients in the clients table; the oldest are dropped first."""


class Monitor:
    """Measures the WebSocket connections of a process.

    A Monitor can be created without an event loop. Ticks begin on the running loop when the
    first server starts, the first connection opens, or the first display is shown. If that loop
    ends, the Monitor continues on the next one.

    In a notebook, a Monitor shows a live dashboard if it is the value of a cell's last line.

    Args:
        node: name of this server process; by default, host name and process id.
        interval: seconds between ticks.
        clock: source of time; see :class:`rtmon.core.clock.Clock`.
        closed_kept: maximum number of closed connections to keep.
        capture_payload: True to keep the first 64 bytes of each frame's payload in the
            connection's black box. Payloads may contain secrets, and all views show them.
        redact: function that redacts a payload before it is kept. It is called with the first 4096
            bytes of a frame's payload, and the first 64 bytes of its result are kept. If it
            raises, no payload is kept. A secret in a fragmented message may be passed to it in
            two parts.

    Raises:
        OptionError: an option is invalid, such as an interval that is not a positive number.
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
        """The Collector with this Monitor's counters. After a fork, the child gets a new one."""
        return self._measurement.collector

    @property
    def node(self) -> str:
        """The name of this server process."""
        return self.collector.node

    @property
    def epoch(self) -> str:
        """The id of the current epoch, which is the lifetime of the counters."""
        return self.collector.epoch

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the process had used at the last tick."""
        return self._measurement.gauges.used

    @property
    def own_seconds(self) -> float:
        """Total seconds that this Monitor has spent on ticks."""
        return self._measurement.own_seconds

    @property
    def probe_failures(self) -> int:
        """Number of exceptions inside probes. Each may have made some counters too low."""
        return self._measurement.probe_failures

    @property
    def uncounted(self) -> int:
        """Number of connections and requests that ran on an event loop which is not measured."""
        return self._measurement.uncounted

    @property
    def failing_sinks(self) -> int:
        """Number of sinks that fail temporarily, for example on a full disk, and are retried."""
        return self._measurement.outputs.failing

    @property
    def waiting_ticks(self) -> int:
        """Number of ticks queued for the slowest sink; at 60, further ticks are dropped."""
        return self._measurement.outputs.waiting

    @property
    def closed(self) -> bool:
        """True once the Monitor has been closed."""
        return self._measurement.closed

    def arm(self, purpose: Purpose) -> bool:
        """Start to tick on the running event loop, unless the Monitor already ticks on a loop.

        Args:
            purpose: kind of the caller; see :data:`rtmon.metrics.monitor_interfaces.Purpose`.

        Returns:
            True if connections on the running loop are counted.

        Raises:
            MonitorError: the caller is a server, and the Monitor is closed or measures another
                running event loop.
        """
        return self._measurement.arm(purpose)

    def tick(self) -> Tick:
        """Tick immediately, in addition to the regular ticks.

        Raises:
            MonitorError: the measured event loop runs on another thread.
        """
        return self._measurement.tick()

    def close(self) -> None:
        """Tick a last time, close all sinks, and stop.

        May be called twice, and on any thread.
        """
        self._measurement.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def measure(self, hub: Measurable) -> None:
        """Include a hub's channels and fan-out durations in the measurements."""
        self.collector.measure(hub)

    def connection_opened(self, meter: Meter, at: tuple[float, float] | None = None) -> None:
        """Record that a connection's handshake has completed.

        Args:
            meter: Meter of the connection.
            at: time of the handshake in monotonic and in Unix seconds; None for now.
        """
        now, time = at or (self.clock.monotonic(), self.clock.time())
        self.collector.opened(meter, now, time)

    def connection_closed(
        self, meter: Meter, ending: Ending, at: tuple[float, float] | None = None
    ) -> None:
        """Record that an opened connection has ended.

        Args:
            meter: Meter of the connection.
            ending: how the connection ended.
            at: time of the end in monotonic and in Unix seconds; None for now.
        """
        now, time = at or (self.clock.monotonic(), self.clock.time())
        self.collector.closed(meter, now, time, ending)

    def connection_rejected(self, meter: Meter, *, status: int | None, detail: str) -> None:
        """Record that a WebSocket handshake failed or was refused.

        Args:
            meter: Meter of the connection.
            status: HTTP status of the response; None if unknown.
            detail: description for the Event.
        """
        if meter.path is not None:
            detail = f"{detail} at {meter.path}"
        # An http.HTTPStatus is an int, but repr() of it is not that of an int.
        code = None if status is None else int(status)
        self.collector.rejected(meter, self.clock.time(), status=code, detail=detail)

    def refused(self, meter: Meter | None, *, code: int, detail: str) -> None:
        """Record that a hub refused a client after the WebSocket handshake.

        Args:
            meter: Meter of the connection; None if it has none.
            code: close code sent to the client.
            detail: description for the Event.
        """
        self.collector.events.add(
            "refused", self.clock.time(), meter=meter, code=code, detail=detail
        )

    def handler_failed(self, meter: Meter, exc: BaseException, *, code: int | None = None) -> None:
        """Record that a connection's handler raised an exception.

        Args:
            meter: Meter of the connection.
            exc: the exception.
            code: close code that was sent because of the exception; None if unknown.
        """
        meter.bump("errors")
        trace = "".join(traceback.format_exception(exc))
        meter.traceback = safe_text(trace[-TRACEBACK_LENGTH:], TRACEBACK_LENGTH)
        detail = f"the handler raised {type(exc).__name__}: {exc}"
        self.collector.events.add("error", self.clock.time(), meter=meter, code=code, detail=detail)

    def keep_payload(self, box: BlackBox, payload: bytes | bytearray | memoryview) -> None:
        """Store the first bytes of the payload of the newest frame in the black box."""
        try:
            box.keep_payload(payload, self.redact)
        except Exception as exc:  # noqa: BLE001 - the application's `redact` may raise anything
            self.probe_failed(exc)

    def probe_failed(self, exc: Exception) -> None:
        """Count an exception inside a probe. At most one per minute is logged."""
        self._measurement.probe_failed(exc)

    def event(self, kind: str, detail: str) -> None:
        """Add an Event to the event log, without a connection.

        Call it on the thread of the measured event loop.

        Args:
            kind: kind of the Event.
            detail: description of the Event.
        """
        self._measurement.event(kind, detail)

    def attach(self, sink: Sink) -> Attachment:
        """Pass every future tick to a sink, which writes on a thread of its own.

        To close the sink, use the result as a context manager, or call its ``close()``.

        Raises:
            MonitorError: the Monitor is closed, or the sink is attached already.
        """
        return self._measurement.attach(sink)

    def detach(self, sink: Sink) -> None:
        """Let a sink write its queued ticks, then close it. Do nothing if it is not attached."""
        self._measurement.detach(sink)

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call ``listener`` at every tick, on the measured event loop.

        The listener must not block. Exceptions of the listener are logged.

        Returns:
            A function that removes the listener.
        """
        return self._measurement.outputs.listen(listener)

    def follow(self, client: Callable[[], object]) -> None:
        """List a client in the clients table.

        Args:
            client: function that returns the client's current record, with the fields of
                :data:`rtmon.metrics.columns.CLIENT`.
        """
        self._clients.append(client)

    def snapshot(self) -> Snapshot:
        """Return the totals since the Monitor was created.

        On the thread of the measured event loop, the totals are current. On other threads, and
        once the Monitor is closed, they are as of the last tick.

        Raises:
            MonitorError: nothing was measured, because the server does not run on asyncio.
        """
        unknown = self._measurement.unknown
        if unknown:
            raise MonitorError(unknown)
        return self._measurement.snapshot()

    def window(self, seconds: float) -> Sample | None:
        """Merge the Samples of the last seconds into one; None before the first tick.

        For example, ``monitor.window(3600).opened`` is the number of connections that opened in
        the last hour, ``.closed`` the number that closed, and ``.net`` the difference. Samples
        are kept for one day.
        """
        return self.collector.history.window(seconds)

    def samples(self, *, every: Literal[1, 10] = 1) -> pd.DataFrame:
        """Return the Samples as a DataFrame, oldest first.

        The columns, dtypes and units of all DataFrames are documented in docs/columns.md. Times
        are in UTC.

        Args:
            every: 1 for one row per tick, over the last hour; 10 for one row per ten ticks, over
                the last day.
        """
        history = self.collector.history
        return frame("samples", history.samples() if every == 1 else history.coarse())

    def connections(self) -> pd.DataFrame:
        """Return the connections as of the last tick as a DataFrame: open, then closed ones."""
        return frame("connections", self.collector.connections())

    def channels(self) -> pd.DataFrame:
        """Return the totals of each channel of the hub as a DataFrame; empty without a hub."""
        return frame("channels", self.collector.channels())

    def socketio(self) -> pd.DataFrame:
        """Return the totals of Socket.IO servers by namespace, event and room, as a DataFrame.

        The DataFrame is empty if no Socket.IO server is measured.
        """
        return frame("socketio", self.collector.socketio())

    def clients(self) -> pd.DataFrame:
        """Return the clients that report to this Monitor as a DataFrame.

        A client reports if it was created with ``rtmon.connect(url, monitor=monitor)``. Only the
        latest thousand clients are listed.
        """
        return frame("clients", [read() for read in list(self._clients)])

    def events(self) -> pd.DataFrame:
        """Return the Events as a DataFrame, oldest first."""
        return frame("events", self.collector.history.events())

    def view(self, page: str | None = None, **parameters: Any) -> Any:
        """Return a page or a chart of the dashboard, for display in a notebook.

        Examples: ``monitor.view("latency")``, ``monitor.view("connections", query="rtt>200ms")``,
        ``monitor.view(chart="rtt")``. :func:`rtmon.view` lists all pages and charts.

        Raises:
            OptionError: the page, the chart, a parameter or its value does not exist.
            QueryError: the query is invalid.
        """
        from ..dashboard.notebook_view import view

        return view(self, page, **parameters)

    def _ipython_display_(self) -> None:
        from ..display import Dashboard

        Dashboard(self)._ipython_display_()


def _check(interval: Any, closed_kept: Any, redact: Any) -> None:
    if not (isinstance(interval, int | float) and 0 < interval < math.inf):
        raise OptionError(f"interval={interval!r}: seconds between ticks, a number more than 0")
    if not isinstance(closed_kept, int) or closed_kept < 0:
        raise OptionError(
            f"closed_kept={closed_kept!r}: the number of closed connections to keep, 0 or more"
        )
    if not (redact is None or callable(redact)):
        raise OptionError(f"redact={redact!r}: a function that takes and returns bytes, or None")
