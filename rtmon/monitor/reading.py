"""What a Monitor tells: totals as a Snapshot, and everything as DataFrames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from .pulse import Pulse

if TYPE_CHECKING:
    import pandas as pd

    from ..core.clock import Clock
    from ..metrics.collector import Collector
    from ..metrics.records import Sample, Snapshot

__all__ = ["Reading"]

CLIENTS_KEPT = 1000
"""Clients whose numbers are shown; the oldest make room."""


class Reading:
    """The part of a Monitor that is asked.

    Args:
        collector: what counts.
        clock: where time comes from.
    """

    def __init__(self, collector: Collector, clock: Clock) -> None:
        self.collector = collector
        self.clock = clock
        self._pulse = Pulse()
        self._closed = False
        self._clients: deque[Callable[[], object]] = deque(maxlen=CLIENTS_KEPT)

    def snapshot(self) -> Snapshot:
        """Totals since the Monitor began.

        On the thread that is measured they are of this moment, on others, and once the Monitor
        is closed, of the last tick.
        """
        published = self.collector.published()
        if (self._closed or self._pulse.foreign()) and published is not None:
            return published
        return self.collector.snapshot(self.clock.monotonic(), self.clock.time())

    def samples(self, *, every: Literal[1, 10] = 1) -> pd.DataFrame:
        """The Samples as a DataFrame, one row a tick, oldest first.

        Columns, dtypes and units are those of :data:`rtmon.metrics.columns.SAMPLE`, times UTC.

        Args:
            every: 1 for single ticks (the last hour), 10 for ten merged into one (a day).
        """
        from .dataframes import frame

        history = self.collector.history
        return frame("samples", history.samples() if every == 1 else history.coarse())

    def window(self, seconds: float) -> Sample | None:
        """What happened in the last so many seconds, as one Sample; None before the first tick.

        ``monitor.window(3600).opened``, ``.closed`` and ``.net`` tell connects, disconnects and
        the net change of the last hour. A day is remembered.
        """
        return self.collector.history.window(seconds)

    def connections(self) -> pd.DataFrame:
        """The connections as a DataFrame, as of the last tick: open ones, then closed ones.

        Columns, dtypes and units are those of :data:`rtmon.metrics.columns.CONNECTION`.
        """
        from .dataframes import frame

        return frame("connections", self.collector.connections())

    def channels(self) -> pd.DataFrame:
        """The hub's channels as a DataFrame; empty without a hub.

        Columns, dtypes and units are those of :data:`rtmon.metrics.columns.CHANNEL`.
        """
        from .dataframes import frame

        return frame("channels", self.collector.channels())

    def socketio(self) -> pd.DataFrame:
        """What Socket.IO servers did, by namespace, event and room; empty without one.

        Columns, dtypes and units are those of :data:`rtmon.metrics.columns.SOCKETIO`.
        """
        from .dataframes import frame

        return frame("socketio", self.collector.socketio())

    def clients(self) -> pd.DataFrame:
        """The clients that report to this Monitor as a DataFrame, the latest thousand.

        ``rtmon.connect(url, monitor=monitor)`` has a client do so. Columns, dtypes and units are
        those of :data:`rtmon.metrics.columns.CLIENT`.
        """
        from .dataframes import frame

        return frame("clients", [read() for read in list(self._clients)])

    def events(self) -> pd.DataFrame:
        """The Events as a DataFrame, oldest first.

        Columns, dtypes and units are those of :data:`rtmon.metrics.columns.EVENT`.
        """
        from .dataframes import frame

        return frame("events", self.collector.history.events())

    def follow(self, client: Callable[[], object]) -> None:
        """Have a client's numbers shown.

        Args:
            client: gives a record with the fields of :data:`rtmon.metrics.columns.CLIENT`.
        """
        self._clients.append(client)
