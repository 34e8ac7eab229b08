"""Measure one process: tick on its event loop, and pass each tick to sinks and listeners."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.periodic_timer import Ticker
from ..errors import MonitorError
from ..metrics.collector import Collector, Tick
from ..metrics.safe_text import safe_text
from .measured_event_loop import TickLoop
from .process_gauges import ProcessGauges
from .sink_thread import Attachment
from .sinks_and_listeners import TickOutputs

if TYPE_CHECKING:
    from ..core.clock import Clock
    from ..metrics.monitor_interfaces import Purpose, Sink
    from ..metrics.records import Snapshot

__all__ = ["Measurement"]

logger = logging.getLogger("rtmon")

LAG_SECONDS = 0.1
"""Seconds between two measurements of how late the event loop's timers run."""

FAILURE_LOG_SECONDS = 60.0
"""Minimum seconds between two log lines about exceptions inside probes."""


class Measurement:
    """The ticks of a Monitor. After a fork, a new epoch begins in the child process.

    Args:
        node: name of this server process; None for host name and process id.
        interval: seconds between ticks.
        clock: source of time.
        closed_kept: maximum number of closed connections to keep.

    Attributes:
        clock: source of time.
        interval: seconds between ticks.
        collector: the Collector with the counters; a new one after a fork.
        gauges: CPU and memory of the process.
        probe_failures: number of exceptions inside probes so far.
        outputs: the attached sinks and the listeners.
        own_seconds: total seconds that all ticks have taken.
        closed: True once the last tick has been made.
    """

    def __init__(
        self, *, node: str | None, interval: float, clock: Clock, closed_kept: int
    ) -> None:
        self.clock = clock
        self.interval = interval
        self.outputs = TickOutputs()
        self.closed = False
        self._node = node
        self._closed_kept = closed_kept
        self._pulse = TickLoop()
        self._failure_logged = -FAILURE_LOG_SECONDS
        self._reset()

    def _reset(self) -> None:
        """Begin a new epoch in this process, with new counters that start at 0."""
        self._process = os.getpid()
        self.collector = Collector(
            node=safe_text(self._node) or f"{socket.gethostname()}-{self._process}",
            epoch=secrets.token_hex(4),
            now=self.clock.monotonic(),
            closed_kept=self._closed_kept,
        )
        self.gauges = ProcessGauges(self.clock)
        self.probe_failures = 0
        self.own_seconds = 0.0
        self._uncounted_told = False
        self._own: float | None = None
        self._finalizer: Any = weakref.finalize(self, self.outputs.finish, self.collector)

    @property
    def ticking(self) -> bool:
        """True if the measured event loop is running."""
        return self._pulse.live()

    @property
    def uncounted(self) -> int:
        """Number of connections and requests that were not counted; see :class:`TickLoop`."""
        return self._pulse.uncounted

    @property
    def why_uncounted(self) -> str:
        """Text that explains why the first uncounted connection was not counted; "" if none."""
        return self._pulse.why_uncounted

    @property
    def unknown(self) -> str:
        """Text that explains why there are no measurements at all; "" if there can be some.

        Nothing can be measured if the server does not run on asyncio.
        """
        if self._pulse.armed or self.collector.history.latest() is not None:
            return ""
        return self.why_uncounted

    def arm(self, purpose: Purpose) -> bool:
        """Start to tick on the running event loop; see :meth:`rtmon.Monitor.arm`."""
        if not self.closed:
            if os.getpid() != self._process:
                self._continue_after_fork()
            return self._pulse.arm(purpose, self._begin)
        if purpose == "serve":
            raise MonitorError("this Monitor is closed; make a new one for a new server")
        return False

    def _continue_after_fork(self) -> None:
        """Begin a new epoch in a child process after a fork, such as in a server's worker process.

        The counters, the event loop, the listeners and the sinks stay with the parent process. A
        sink's thread does not exist in the child process.
        """
        self._finalizer.detach()
        before = self.collector
        self._reset()
        self.collector.succeed(before)
        self._pulse.forget()
        for sink in self.outputs.abandon():
            self.event("sink detached", f"{sink!r} belongs to the parent process of this fork")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        wanted = partial(Measurement._wanted, armed=self._pulse.armed)
        actions = ((self.interval, Measurement._tick), (LAG_SECONDS, Measurement._record_lag))
        for interval, action in actions:
            Ticker(self, interval, wanted=wanted, action=action).start(loop)

    def _wanted(self, armed: int) -> bool:
        return armed == self._pulse.armed and not self.closed

    def _record_lag(self, late: float) -> None:
        self.collector.lag.record(late)

    def tick(self) -> Tick:
        """Tick immediately; see :meth:`rtmon.Monitor.tick`."""
        if self._pulse.foreign():
            raise MonitorError("tick() must be called on the thread of the measured event loop")
        return self._tick()

    def _tick(self, _late: float = 0.0) -> Tick:
        began = time.perf_counter()
        if self._pulse.uncounted and not self._uncounted_told:
            self._uncounted_told = True
            self.event("not counted", self.why_uncounted)
        tick = self.collector.tick(
            self.clock.monotonic(),
            self.clock.time(),
            cpu=self.gauges.cpu(),
            memory=self.gauges.memory(),
            own=self._own,
        )
        for attachment in self.outputs.hand_on(tick, self.collector):
            self.event("sink detached", f"{attachment.sink!r} failed: {attachment.failed!r}")
        self._own = time.perf_counter() - began
        self.own_seconds += self._own
        return tick

    def close(self) -> None:
        """Tick a last time, close all sinks, and stop.

        May be called twice, and on any thread.
        """
        if self.closed:
            return
        if self._pulse.foreign():
            done = threading.Event()

            def close() -> None:
                self._finish()
                done.set()

            self._pulse.call(close)
            done.wait(timeout=10)
        else:
            self._finish()

    def _finish(self) -> None:
        if self.closed:
            return
        self._tick()
        self.closed = True
        self.collector.stop()
        self.outputs.finish(self.collector)

    def event(self, kind: str, detail: str) -> None:
        """Add an Event to the event log, without a connection."""
        self.collector.events.add(kind, self.clock.time(), detail=detail)

    def probe_failed(self, exc: Exception) -> None:
        """Count an exception inside a probe, and log at most one every FAILURE_LOG_SECONDS."""
        self.probe_failures += 1
        now = time.monotonic()
        if now - self._failure_logged >= FAILURE_LOG_SECONDS:
            self._failure_logged = now
            logger.error(
                "a probe failed (%d times so far); the connection is not affected",
                self.probe_failures,
                exc_info=exc,
            )

    def attach(self, sink: Sink) -> Attachment:
        """Pass every future tick to a sink; see :meth:`rtmon.Monitor.attach`."""
        if self.closed:
            raise MonitorError("this Monitor is closed, so a sink would receive no ticks")
        return self.outputs.attach(sink, self, self.collector)

    def detach(self, sink: Sink) -> None:
        """Let a sink write its queued ticks, then close it. Do nothing if it is not attached."""
        if sink not in self.outputs:
            return
        if not self._pulse.foreign() and not self.closed:
            # Tick before the sink is removed, so that the sink gets everything that was counted
            # since the last tick, and the tables that it requires.
            self._tick()
        attachment = self.outputs.remove(sink)
        if attachment is not None:
            attachment.finish(self.collector.connections())

    def snapshot(self) -> Snapshot:
        """Return the totals; see :meth:`rtmon.Monitor.snapshot`."""
        published = self.collector.published()
        if (self.closed or self._pulse.foreign()) and published is not None:
            return published
        return self.collector.snapshot(self.clock.monotonic(), self.clock.time())
