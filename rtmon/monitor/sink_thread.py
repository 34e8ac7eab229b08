"""Run a sink on a thread of its own, with a bounded queue, so that it cannot slow down a server."""

from __future__ import annotations

import errno
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from ..core.backoff import Backoff

if TYPE_CHECKING:
    import weakref

    from ..metrics.collector import Tick
    from ..metrics.monitor_interfaces import Sink
    from ..metrics.records import ConnectionInfo

__all__ = ["Attachment", "Owner"]

logger = logging.getLogger("rtmon")

T = TypeVar("T")

WAITING_TICKS = 60
"""Maximum number of ticks queued for a sink. Further ticks are dropped; an Event reports this."""

FINISH_SECONDS = 10.0
"""Maximum seconds to wait until a sink has written its queued ticks and is closed."""


BACKOFF = Backoff(base=0.5, max=30.0)
"""Delays between attempts to write a tick, after a temporary error of a sink."""

_PASSING = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT),  # The disk is full.
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY),  # The disk is not available.
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR),
        *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
    }
)
"""Error numbers of temporary errors, after which a sink's write is retried."""


class Owner(Protocol):
    """The interface of a Monitor that an :class:`Attachment` uses."""

    def event(self, kind: str, detail: str) -> None:
        """Add an Event to the event log, without a connection."""

    def detach(self, sink: Sink) -> None:
        """Let a sink write its queued ticks, then close it."""


class Attachment:
    """A sink that is attached to a Monitor, with the sink's thread and queue of ticks.

    As a context manager, it detaches the sink at the end of the block.

    Args:
        sink: the sink, already open.
        owner: weak reference to the Monitor.

    Attributes:
        sink: the sink.
        fresh: True until the sink has been offered its first tick.
        dropped: number of ticks dropped because the queue was full.
        problem: message of the temporary error because of which writing is retried; None while
            the sink works.
        failed: the permanent error that ended the sink; None while there is none.
    """

    def __init__(self, sink: Sink, owner: weakref.ref[Owner]) -> None:
        self.sink = sink
        self.dropped = 0
        self.fresh = True
        self.problem: str | None = None
        self.failed: Exception | None = None
        self._subject = getattr(sink, "subject", "sink")
        self._failing = "degraded" if hasattr(sink, "subject") else "failing"
        self._reported: tuple[float, int] | None = None
        self._ending = threading.Event()
        self._owner = owner
        self._queue: queue.Queue[Tick | None] = queue.Queue(WAITING_TICKS)
        self._last: Iterable[ConnectionInfo] = ()
        self._thread = threading.Thread(
            target=self._run, name=f"rtmon-sink-{type(sink).__name__}", daemon=True
        )
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of queued ticks, including the tick that is being written."""
        return self._queue.unfinished_tasks

    def offer(self, tick: Tick) -> None:
        """Queue a tick for the sink, or drop the tick if the queue is full."""
        try:
            self._queue.put_nowait(tick)
        except queue.Full:
            self.dropped += 1
            owner = self._owner()
            if owner is not None and self.dropped == 1:
                owner.event("sink slow", f"{self.sink!r} cannot keep up: ticks are dropped")

    def finish(self, connections: Iterable[ConnectionInfo]) -> None:
        """Let the sink write its queued ticks, close it, and wait until its thread has ended.

        The wait is limited by :data:`FINISH_SECONDS`.

        Args:
            connections: rows of the connections table, which the sink gets with the close.
        """
        if self.failed is not None:
            return
        self._last = connections
        self._ending.set()
        deadline = time.monotonic() + FINISH_SECONDS
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.1)
            except queue.Full:
                if time.monotonic() < deadline:
                    continue
                logger.warning("%r did not finish in time; its queued ticks are dropped", self.sink)
                return
            break
        self._thread.join(FINISH_SECONDS)

    def report(self) -> None:
        """Add an Event if the sink has started to fail, or works again, since the last call."""
        owner, problem, before = self._owner(), self.problem, self._reported
        if owner is None or (problem is None) == (before is None):
            return
        now = time.monotonic()
        if before is None:
            self._reported = now, self.dropped
            detail = f"{self.sink!r} cannot write and retries: {problem}"
            owner.event(f"{self._subject} {self._failing}", detail)
        else:
            self._reported = None
            seconds, lost = now - before[0], self.dropped - before[1]
            detail = f"{self.sink!r} writes again after {seconds:.0f} s; {lost} ticks were dropped"
            owner.event(f"{self._subject} recovered", detail)

    def close(self) -> None:
        """Detach the sink from the Monitor: write its queued ticks, then close it."""
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
                self._until_taken(self.sink.write, tick)
                self._queue.task_done()
            self._until_taken(self.sink.close, list(self._last))
        except Exception as exc:  # A sink's exception must not reach the server.
            self.failed = exc
            logger.exception("%r failed and is detached", self.sink)

    def _until_taken(self, write: Callable[[T], None], given: T) -> None:
        """Call a write function until it succeeds, with a delay after each temporary error.

        Once the sink is being closed, there is only one more attempt.

        Args:
            write: method of the sink.
            given: argument of the method.

        Raises:
            Exception: the error is permanent, or the last attempt failed.
        """
        failures = 0
        while True:
            last = self._ending.is_set()
            try:
                write(given)
            except OSError as exc:
                if last or not _may_pass(exc):
                    raise
                failures += 1
                if self.problem is None:
                    logger.warning("%r failed and retries: %s", self.sink, exc)
                self.problem = f"{exc.strerror or exc}"
                self._ending.wait(BACKOFF.bound(failures))
            else:
                self.problem = None
                return


def _may_pass(exc: OSError) -> bool:
    return exc.errno in _PASSING or isinstance(exc, ConnectionError | TimeoutError)
