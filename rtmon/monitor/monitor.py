"""What a Monitor does: tick, hear from probes, and hand on."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import socket
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.ticker import Beats
from ..errors import MonitorError, OptionError
from ..metrics.collector import Collector, Tick
from ..metrics.text import safe_text
from .attachment import Attachment
from .process_gauges import ProcessGauges
from .reading import Reading

if TYPE_CHECKING:
    from ..metrics.blackbox import BlackBox
    from ..metrics.interfaces import Purpose, Sink
    from ..metrics.meter import Ending, Meter
    from ..metrics.sources import Measurable

__all__ = ["Monitor"]

logger = logging.getLogger("rtmon")

LAG_SECONDS = 0.1
"""How often the event loop is asked how late it is."""

TRACEBACK_LENGTH = 8192
"""Characters kept of a traceback, from its end."""

FAILURE_LOG_SECONDS = 60.0
"""Failures inside a probe are logged this often at most."""


class Monitor(Reading):
    """Knows what your WebSocket connections do.

    A Monitor needs no event loop to exist. It begins to tick on the running loop with whatever
    comes first: a server, a probe's first connection, or a display. When that loop has ended,
    the next one goes on where it stopped.

    As the last line of a notebook cell it shows itself, live.

    Args:
        node: name of this server process; host name and process id by default.
        interval: seconds between ticks.
        clock: where time comes from; see :class:`rtmon.core.clock.Clock`.
        closed_kept: how many closed connections to remember.
        capture_payload: whether the black box of a connection keeps the first 64 bytes of each
            frame's payload too. They may hold secrets: they are shown to whoever watches.
        redact: is given the first 4096 bytes of a frame's payload, and returns what the first 64
            are kept of. Where it raises, nothing is kept; a secret that is sent in two fragments
            it does not see as one.

    Raises:
        OptionError: the interval is not a positive number, or another option makes no sense.
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
        self._named = node
        self._closed_kept = closed_kept
        self._process = os.getpid()
        super().__init__(self._new_collector(clock), clock)
        self.interval = interval
        self.capture_payload = capture_payload
        self.redact = redact
        self._listeners: dict[object, Callable[[Tick], None]] = {}
        self._attachments: dict[Sink, Attachment] = {}
        self.gauges = ProcessGauges(clock)
        self._own: float | None = None
        self.own_seconds = 0.0
        self.probe_failures = 0
        self._failure_logged = -FAILURE_LOG_SECONDS
        self._finalizer = self._finish_when_gone()

    def _new_collector(self, clock: Clock) -> Collector:
        return Collector(
            node=safe_text(self._named) or f"{socket.gethostname()}-{self._process}",
            epoch=secrets.token_hex(4),
            now=clock.monotonic(),
            closed_kept=self._closed_kept,
        )

    def _finish_when_gone(self) -> Any:
        return weakref.finalize(self, _close_all, self._attachments, self.collector)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ticking" if self._pulse.live() else "idle"
        return f"<rtmon.Monitor {self.collector.node} {state}: {self.snapshot()}>"

    @property
    def node(self) -> str:
        """The name of this server process."""
        return self.collector.node

    @property
    def epoch(self) -> str:
        """The name of this life of the counters."""
        return self.collector.epoch

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the process had used at the last tick, in seconds."""
        return self.gauges.used

    @property
    def closed(self) -> bool:
        """Whether the Monitor has been closed."""
        return self._closed

    # Ticking

    def arm(self, purpose: Purpose) -> bool:
        """Tick on the running loop, unless the Monitor does so already.

        A server or a probe decides the loop; a display only borrows one until then.

        Args:
            purpose: who asks.

        Returns:
            Whether connections on the running loop are counted.

        Raises:
            MonitorError: ``serve`` asks on a second live loop, or the Monitor is closed.
        """
        if not self._closed:
            if os.getpid() != self._process:
                self._begin_anew()
            return self._pulse.arm(purpose, self._begin)
        if purpose == "serve":
            raise MonitorError("this Monitor is closed; make a new one for a new server")
        return False

    def _begin_anew(self) -> None:
        """This process was forked off, as a server's workers are: it has an epoch of its own.

        What was counted before is its parent's, and so are the loop, the sinks, whose threads
        have stayed there, and whoever listens.
        """
        self._process = os.getpid()
        before, self.collector = self.collector, self._new_collector(self.clock)
        self.collector.succeed(before)
        self._pulse.forget()
        self.gauges = ProcessGauges(self.clock)
        self._own, self.own_seconds, self.probe_failures = None, 0.0, 0
        for sink in self._attachments:
            self.event(
                "sink detached", f"{sink!r} stayed with the process this one was forked from"
            )
        self._attachments.clear()
        self._listeners.clear()
        self._finalizer.detach()
        self._finalizer = self._finish_when_gone()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        wanted = partial(Monitor._goes_on, armed=self._pulse.armed)
        for interval, action in ((self.interval, Monitor._tick), (LAG_SECONDS, Monitor._lag)):
            Beats(self, interval, wanted=wanted, action=action).start(loop)

    def _goes_on(self, armed: int) -> bool:
        return armed == self._pulse.armed and not self._closed

    def _lag(self, late: float) -> None:
        self.collector.lag.record(late)

    def tick(self) -> Tick:
        """Tick now, besides the ticks that come by themselves.

        Raises:
            MonitorError: called from another thread than the one whose loop is measured.
        """
        if self._pulse.foreign():
            raise MonitorError("tick() belongs to the thread whose event loop is measured")
        return self._tick()

    def _tick(self, _late: float = 0.0) -> Tick:
        began = time.perf_counter()
        tick = self.collector.tick(
            self.clock.monotonic(),
            self.clock.time(),
            cpu=self.gauges.cpu(),
            memory=self.gauges.memory(),
            own=self._own,
        )
        for attachment in list(self._attachments.values()):
            attachment.offer(tick)
            if attachment.failed is not None:
                self._detach_failed(attachment)
        for listener in list(self._listeners.values()):
            try:
                listener(tick)
            except Exception:  # a watcher must not stop the ticks
                logger.exception("a watcher of the Monitor failed")
        self._own = time.perf_counter() - began
        self.own_seconds += self._own
        return tick

    def close(self) -> None:
        """Tick a last time, finish what is attached, and stop. Idempotent, from any thread."""
        if self._closed:
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
        if self._closed:
            return
        self._tick()
        self._closed = True
        self.collector.stop()
        _close_all(self._attachments, self.collector)
        self._listeners.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def measure(self, hub: Measurable) -> None:
        """Have a hub's channels shown, and its fan-out timed."""
        self.collector.measure(hub)

    # What probes report, on the thread that is measured

    def connection_opened(self, meter: Meter) -> None:
        """A handshake was completed."""
        self.collector.opened(meter, self.clock.monotonic(), self.clock.time())

    def connection_closed(self, meter: Meter, ending: Ending) -> None:
        """An opened connection has ended."""
        self.collector.closed(meter, self.clock.monotonic(), self.clock.time(), ending)

    def connection_rejected(self, meter: Meter, *, status: int | None, detail: str) -> None:
        """A WebSocket handshake failed or was refused."""
        if meter.path is not None:
            detail = f"{detail} at {meter.path}"
        # http.HTTPStatus is a number, too, but is not written as one.
        code = None if status is None else int(status)
        self.collector.rejected(meter, self.clock.time(), status=code, detail=detail)

    def refused(self, meter: Meter | None, *, code: int, detail: str) -> None:
        """A hub did not let a client in, whose handshake was completed."""
        self.collector.events.add(
            "refused", self.clock.time(), meter=meter, code=code, detail=detail
        )

    def handler_failed(self, meter: Meter, exc: BaseException, *, code: int | None = None) -> None:
        """An exception left a connection's handler.

        Args:
            meter: of the connection.
            exc: what was raised.
            code: what the connection is closed with for it; None if it is not, or by somebody else.
        """
        meter.bump("errors")
        trace = "".join(traceback.format_exception(exc))
        meter.traceback = safe_text(trace[-TRACEBACK_LENGTH:], TRACEBACK_LENGTH)
        detail = f"the handler raised {type(exc).__name__}: {exc}"
        self.collector.events.add("error", self.clock.time(), meter=meter, code=code, detail=detail)

    def keep_payload(self, box: BlackBox, payload: bytes | bytearray | memoryview) -> None:
        """A black box has recorded a frame: have it keep the beginning, as the hook leaves it."""
        try:
            box.keep_payload(payload, self.redact)
        except Exception as exc:  # noqa: BLE001 - whatever a hook raises
            self.probe_failed(exc)

    def probe_failed(self, exc: Exception) -> None:
        """Something went wrong in a probe: count it, and log it once a minute at most."""
        self.probe_failures += 1
        now = time.monotonic()
        if now - self._failure_logged >= FAILURE_LOG_SECONDS:
            self._failure_logged = now
            logger.error(
                "a probe failed (%d times so far); the connection is not affected",
                self.probe_failures,
                exc_info=exc,
            )

    # Handing on

    def attach(self, sink: Sink) -> Attachment:
        """Send every tick from now on to a sink, on a thread of the sink's own.

        Use the result as a context manager, or call its ``close()``, to have the sink finish.

        Raises:
            MonitorError: the Monitor is closed, or the sink is attached already.
        """
        if self._closed:
            raise MonitorError("this Monitor is closed; nothing more would come")
        if sink in self._attachments:
            raise MonitorError(f"{sink!r} is attached to this Monitor already")
        sink.open(self.node, self.epoch)
        attachment = Attachment(sink, weakref.ref(self))
        self._attachments[sink] = attachment
        return attachment

    def detach(self, sink: Sink) -> None:
        """Have a sink take what is waiting and finish. Nothing happens if it is not attached."""
        attachment = self._attachments.pop(sink, None)
        if attachment is not None:
            if not self._pulse.foreign() and not self._closed:
                attachment.offer(self._tick())
            attachment.finish(self.collector.connections())

    def _detach_failed(self, attachment: Attachment) -> None:
        self._attachments.pop(attachment.sink, None)
        self.event("sink detached", f"{attachment.sink!r} failed: {attachment.failed!r}")

    def event(self, kind: str, detail: str) -> None:
        """Add a line to the event log; to be called on the thread that is measured."""
        self.collector.events.add(kind, self.clock.time(), detail=detail)

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Have every tick handed to a function, on the loop; returns what ends that.

        The function must not block. What it raises is logged and goes no further.
        """
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    # Notebooks

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        try:
            from ..dashboard import notebook_view
        except ImportError:  # without the extra a Monitor is still an object with a repr
            return {"text/plain": repr(self)}
        from ..feeds.local import LocalFeed

        return notebook_view(LocalFeed(self))._repr_mimebundle_(include, exclude)


def _close_all(attachments: dict[Sink, Attachment], collector: Collector) -> None:
    while attachments:
        _, attachment = attachments.popitem()
        attachment.finish(collector.connections())


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
