"""A pytest fixture that records the servers of a test, and checks limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..metrics.close_causes import NORMAL
from ..monitor import Monitor
from .recording_sink import Recording

if TYPE_CHECKING:
    from ..metrics.records import Snapshot

__all__ = ["Recorded", "recorded"]


class Recorded:
    """The measurements of a test; see :func:`recorded`.

    Attributes:
        monitor: give it to the server: ``rtmon.serve(…, monitor=recorded.monitor)``.
        path: the recording, for inspection after a failed test.
    """

    def __init__(self, monitor: Monitor, path: Path) -> None:
        self.monitor = monitor
        self.path = path
        self._slow = 0
        monitor.listen(lambda tick: self._note(tick.sample.slow))

    def _note(self, slow: int | None) -> None:
        self._slow = max(self._slow, slow or 0)

    def expect(
        self,
        *,
        handler_p99: float | None = None,
        rtt_p99: float | None = None,
        fanout_p99: float | None = None,
        dropped: int | None = None,
        slow: int | None = None,
        errors: int | None = None,
        unexplained: int | None = None,
    ) -> None:
        """Fail the test if a measurement exceeds its limit.

        Args:
            handler_p99: maximum 99th percentile of handler times, in seconds.
            rtt_p99: the same for round trips.
            fanout_p99: the same for the time from publishing to the last transport.
            dropped: maximum number of dropped messages.
            slow: maximum number of slow connections at a time.
            errors: maximum number of errors.
            unexplained: maximum number of connections that end without a close handshake.

        Raises:
            AssertionError: lists the exceeded limits, and the path of the recording.
        """
        self.monitor.tick()
        totals = self.monitor.snapshot()
        limits = {
            "handler_p99": (handler_p99, _p99(totals, "handler")),
            "rtt_p99": (rtt_p99, _p99(totals, "rtt")),
            "fanout_p99": (fanout_p99, _p99(totals, "fanout")),
            "dropped": (dropped, totals.dropped),
            "slow": (slow, self._slow),
            "errors": (errors, totals.errors),
            "unexplained": (unexplained, self._unexplained()),
        }
        passed = [
            f"{name} is {measured:.6g}, allowed {allowed:.6g}"
            for name, (allowed, measured) in limits.items()
            if allowed is not None and measured is not None and measured > allowed
        ]
        if passed:
            raise AssertionError(f"{'; '.join(passed)}; see: rtmon dashboard {self.path}")

    def _unexplained(self) -> int:
        causes = self.monitor.collector.close_causes()
        return sum(count for cause, count in causes.items() if cause not in NORMAL)


def _p99(totals: Snapshot, name: str) -> float | None:
    histogram = getattr(totals, name)
    return None if histogram is None else histogram.quantile(0.99)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """Record a test: import this fixture in a ``conftest.py``, and ask for it.

    ``from rtmon.testing import recorded`` in ``conftest.py``; in a test
    ``async with rtmon.serve(handler, port=0, monitor=recorded.monitor) as server: …`` and at its
    end ``recorded.expect(handler_p99=0.05, dropped=0, unexplained=0)``.
    """
    monitor, path = Monitor(node="test"), tmp_path / "run.rtmon"
    with monitor, monitor.attach(Recording(path)):
        yield Recorded(monitor, path)
