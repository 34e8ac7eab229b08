"""Run a sink on a thread of its own, behind a bounded queue, so that it cannot slow a server."""

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
"""Maximum number of ticks queued for a sink; further ones are dropped and reported as an Event."""

FINISH_SECONDS = 10.0
"""Seconds to wait for a sink to finish."""


BACKOFF = Backoff(base=0.5, max=30.0)
"""Backoff between attempts to reopen a sink that failed in a way that can pass."""

_PASSING = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT),  # a disk that is full
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY),  # a disk that is unmounted
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR),
        *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
    }
)
"""Temporary errors, which can pass without a change of the sink."""


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
        fresh: True before the first tick.
        dropped: ticks dropped because the sink was too slow.
        problem: the temporary error for which the sink is retried; None while it works.
        failed: the permanent error that ended the sink; None if there is none.
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
        """Number of queued ticks, including the one being written."""
        return self._queue.unfinished_tasks

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
        """Let the sink write its queued ticks, close it, and wait for the end of its thread."""
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
                logger.warning("%r did not finish in time; its queued ticks are lost", self.sink)
                return
            break
        self._thread.join(FINISH_SECONDS)

    def report(self) -> None:
        """Report as an Event that the sink has begun to fail, or works again."""
        owner, problem, before = self._owner(), self.problem, self._reported
        if owner is None or (problem is None) == (before is None):
            return
        now = time.monotonic()
        if before is None:
            self._reported = now, self.dropped
            detail = f"{self.sink!r} takes nothing and is tried again: {problem}"
            owner.event(f"{self._subject} {self._failing}", detail)
        else:
            self._reported = None
            seconds, lost = now - before[0], self.dropped - before[1]
            detail = f"{self.sink!r} takes ticks again after {seconds:.0f} s; {lost} were dropped"
            owner.event(f"{self._subject} recovered", detail)

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
                self._until_taken(self.sink.write, tick)
                self._queue.task_done()
            self._until_taken(self.sink.close, list(self._last))
        except Exception as exc:  # no failure of a sink may reach the server
            self.failed = exc
            logger.exception("%r failed and is detached", self.sink)

    def _until_taken(self, write: Callable[[T], None], given: T) -> None:
        """Write with retries after temporary errors; once more when the sink is being closed.

        Raises:
            Exception: the error is permanent, or lasted until the end.
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
                    logger.warning("%r failed and is tried again: %s", self.sink, exc)
                self.problem = f"{exc.strerror or exc}"
                self._ending.wait(BACKOFF.bound(failures))
            else:
                self.problem = None
                return


def _may_pass(exc: OSError) -> bool:
    return exc.errno in _PASSING or isinstance(exc, ConnectionError | TimeoutError)
