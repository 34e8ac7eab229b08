"""How a sink is fed: a thread of its own and a bounded queue, so that it can slow nobody."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import weakref

    from ..metrics.collector import Tick
    from ..metrics.records import ConnectionInfo
    from . import Monitor

__all__ = ["Attachment", "Sink"]

logger = logging.getLogger("rtmon")

WAITING_TICKS = 60
"""Ticks that may wait for a sink; more are dropped, counted and said."""

FINISH_SECONDS = 10.0
"""How long to wait for a sink to finish before going on without it."""


class Sink(Protocol):
    """A place where ticks go. ``write`` and ``close`` run on the sink's own thread."""

    def open(self, node: str, epoch: str) -> None:
        """Get ready; what it raises is raised by ``Monitor.attach``."""

    def write(self, tick: Tick) -> None:
        """Take one tick. What it raises detaches the sink."""

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Finish; ``connections`` is the table at that moment."""


class Attachment:
    """A sink that is attached to a Monitor; a context manager that detaches it at the end.

    Attributes:
        sink: the sink.
        dropped: ticks that the sink was too slow for.
        failed: what the sink raised, None while it is well.
    """

    def __init__(self, sink: Sink, monitor: weakref.ref[Monitor]) -> None:
        self.sink = sink
        self.dropped = 0
        self.failed: Exception | None = None
        self._monitor = monitor
        self._queue: queue.Queue[Tick | None] = queue.Queue(WAITING_TICKS)
        self._last: Iterable[ConnectionInfo] = ()
        self._thread = threading.Thread(
            target=self._run, name=f"rtmon-sink-{type(sink).__name__}", daemon=True
        )
        self._thread.start()

    def offer(self, tick: Tick) -> None:
        """Queue a tick, or drop it when the queue is full."""
        try:
            self._queue.put_nowait(tick)
        except queue.Full:
            self.dropped += 1
            monitor = self._monitor()
            if monitor is not None and self.dropped == 1:
                monitor.event("sink slow", f"{self.sink!r} cannot keep up: ticks are dropped")

    def finish(self, connections: Iterable[ConnectionInfo]) -> None:
        """Have the sink take what is waiting, close it, and wait for that."""
        if self.failed is not None:
            return
        self._last = connections
        try:
            self._queue.put(None, timeout=FINISH_SECONDS)
        except queue.Full:
            logger.warning("%r did not finish in time; what waited for it is lost", self.sink)
            return
        self._thread.join(FINISH_SECONDS)

    def close(self) -> None:
        """Detach the sink and have it finish."""
        monitor = self._monitor()
        if monitor is not None:
            monitor.detach(self.sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while (tick := self._queue.get()) is not None:
                self.sink.write(tick)
            self.sink.close(list(self._last))
        except Exception as exc:  # whatever a sink does, it must not reach the server
            self.failed = exc
            logger.exception("%r failed and is detached", self.sink)
