"""Feed a sink: on a thread of its own, from a bounded queue, so that it cannot slow a server."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import weakref

    from ..metrics.collector import Tick
    from ..metrics.interfaces import Sink
    from ..metrics.records import ConnectionInfo

__all__ = ["Attachment", "Owner"]

logger = logging.getLogger("rtmon")

WAITING_TICKS = 60
"""Ticks that may wait for a sink; further ones are dropped, counted and reported as an event."""

FINISH_SECONDS = 10.0
"""How long to wait for a sink to finish before going on without it."""


class Owner(Protocol):
    """The part of a Monitor that a sink is attached to."""

    def event(self, kind: str, detail: str) -> None:
        """Add a line to the event log."""

    def detach(self, sink: Sink) -> None:
        """Let a sink write what is waiting, and finish it."""


class Attachment:
    """A sink attached to a Monitor; as a context manager, it detaches the sink at the end.

    Attributes:
        sink: the sink.
        dropped: ticks dropped because the sink was too slow.
        failed: exception that the sink raised; None if it raised none.
    """

    def __init__(self, sink: Sink, owner: weakref.ref[Owner]) -> None:
        self.sink = sink
        self.dropped = 0
        self.failed: Exception | None = None
        self._owner = owner
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
            owner = self._owner()
            if owner is not None and self.dropped == 1:
                owner.event("sink slow", f"{self.sink!r} cannot keep up: ticks are dropped")

    def finish(self, connections: Iterable[ConnectionInfo]) -> None:
        """Let the sink write the waiting ticks, close it, and wait until it has."""
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
        """Detach the sink and finish it."""
        owner = self._owner()
        if owner is not None:
            owner.detach(self.sink)

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
