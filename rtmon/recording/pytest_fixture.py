"""The pytest fixture ``recorded``: records a test's servers, so that the test can check limits."""

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
    """The measurements of a test; the value of the fixture :func:`recorded`.

    Attributes:
        monitor: the Monitor to pass to servers: ``rtmon.serve(…, monitor=recorded.monitor)``.
        path: the recording, which can be inspected after a failed test.
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
            rtt_p99: maximum 99th percentile of round-trip times, in seconds.
            fanout_p99: maximum 99th percentile of fan-out times, in seconds. A fan-out lasts from
                publishing a message until the last subscriber's transport has it.
            dropped: maximum number of dropped messages.
            slow: maximum number of simultaneously slow connections.
            errors: maximum number of errors.
            unexplained: maximum number of connections whose close cause is not a normal one.

        Raises:
            AssertionError: a limit is exceeded. The message lists the exceeded limits and the path
                of the recording.
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
    """Record a test's servers; a pytest fixture.

    Import the fixture in ``conftest.py``: ``from rtmon.testing import recorded``. A test with the
    parameter ``recorded`` starts its server with
    ``async with rtmon.serve(handler, port=0, monitor=recorded.monitor) as server: …`` and ends with
    ``recorded.expect(handler_p99=0.05, dropped=0, unexplained=0)``.
    """
    monitor, path = Monitor(node="test"), tmp_path / "run.rtmon"
    with monitor, monitor.attach(Recording(path)):
        yield Recorded(monitor, path)
