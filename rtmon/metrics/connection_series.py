"""Time series of single connections, recorded in memory for a few connections only.

These are the connections whose details a viewer has opened, and the slowest and busiest ones.

Cost: one tuple of 16 numbers for each tick and connection. At most :data:`NOTABLE` +
:data:`LOOKED_AT` connections are recorded, for :data:`POINTS` ticks each, which takes at most
15 MB.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from heapq import nlargest

from .meter import Meter

__all__ = ["COLUMNS", "ConnectionSeries", "Moment"]

NOTABLE = 200
"""Maximum number of connections recorded because they are slow or busy.

Connections with the most bytes queued for sending come first, then those with the most new
messages.
"""

LOOKED_AT = 50
"""Maximum number of connections recorded because a viewer opened their details. Above this number,
the connection whose details were requested least recently is no longer recorded.
"""

LOOKED_SECONDS = 60.0
"""Seconds for which a connection is recorded after the last request for its details."""

CHOSEN_TICKS = 10
"""Number of ticks after which the slow and busy connections are selected again."""

POINTS = 300
"""Maximum number of ticks kept for each connection."""

_COUNTERS = (
    *("messages_in", "messages_out", "bytes_in", "bytes_out", "wire_in", "wire_out"),
    *("errors", "dropped", "handler_time"),
)
_GAUGES = ("rtt", "rtt_p99", "send_queue", "queue_age")

COLUMNS: tuple[str, ...] = (*_COUNTERS, *_GAUGES)
"""Names of the values recorded at each tick: increases of counters since the previous tick, and
gauges."""

Moment = tuple[int, float, float, tuple[float | None, ...]]
"""A tick's number, Unix time and duration in seconds, and the values of :data:`COLUMNS`."""


class _Followed:
    """A connection whose time series is recorded, with its counters as of the previous tick."""

    __slots__ = ("before", "meter", "points")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.before = self._counted()
        self.points: deque[Moment] = deque(maxlen=POINTS)

    def _counted(self) -> list[float]:
        return [getattr(self.meter, name) for name in _COUNTERS]

    def tick(self, seq: int, time: float, elapsed: float, unknown: frozenset[str]) -> None:
        now = self._counted()
        gained = [new - old for new, old in zip(now, self.before, strict=True)]
        values = (*gained, *(getattr(self.meter, name) for name in _GAUGES))
        known = tuple(
            None if name in unknown else value for name, value in zip(COLUMNS, values, strict=True)
        )
        self.points.append((seq, time, elapsed, known))
        self.before = now


class ConnectionSeries:
    """The time series of some of a Collector's connections.

    The series may be read on any thread. :meth:`tick` must be called on the event loop's thread.

    Args:
        unknown: kind of probe → columns that a probe of this kind cannot measure.
    """

    def __init__(self, unknown: Mapping[str, frozenset[str]]) -> None:
        self._unknown = unknown
        self._lock = threading.Lock()
        self._looked_at: OrderedDict[str, float] = OrderedDict()  # Id → time of the last request.
        self._notable: set[str] = set()
        self._followed: dict[str, _Followed] = {}

    def look(self, identity: str, now: float) -> None:
        """Record the time series of an open connection for the next minute.

        Args:
            identity: id of the connection.
            now: monotonic seconds.
        """
        with self._lock:
            self._looked_at[identity] = now
            self._looked_at.move_to_end(identity)
            while len(self._looked_at) > LOOKED_AT:
                self._looked_at.popitem(last=False)

    def points(self, identity: str) -> list[Moment]:
        """Return the recorded ticks of a connection, oldest first; [] if it is not recorded."""
        with self._lock:
            followed = self._followed.get(identity)
            return list(followed.points) if followed else []

    def tick(
        self,
        seq: int,
        *,
        now: float,
        time: float,
        elapsed: float,
        open_now: Mapping[str, Meter],
        changed: Iterable[Meter],
    ) -> None:
        """Add one tick to the time series of all recorded connections.

        Every :data:`CHOSEN_TICKS` ticks, the slow and busy connections are selected again.

        Args:
            seq: number of the tick.
            now: monotonic seconds.
            time: Unix seconds.
            elapsed: seconds since the previous tick.
            open_now: connection id → Meter, for all open connections.
            changed: Meters that changed since the previous tick.
        """
        with self._lock:
            if seq % CHOSEN_TICKS == 1 or not self._notable:
                chosen = nlargest(NOTABLE, changed, key=self._notability)
                self._notable = {meter.id for meter in chosen if meter.closed is None}
            for identity, asked in list(self._looked_at.items()):
                if now - asked > LOOKED_SECONDS:
                    del self._looked_at[identity]
            wanted = self._notable | self._looked_at.keys()
            for identity in self._followed.keys() - wanted:
                del self._followed[identity]
            for identity in wanted:
                meter = open_now.get(identity)
                if meter is None:
                    continue
                followed = self._followed.get(identity)
                if followed is None:
                    self._followed[identity] = _Followed(meter)
                else:
                    followed.tick(seq, time, elapsed, self._unknown[meter.probe])

    def _notability(self, meter: Meter) -> tuple[int, int]:
        followed = self._followed.get(meter.id)
        before = followed.before[0] + followed.before[1] if followed else 0
        return meter.send_queue or 0, meter.messages_in + meter.messages_out - before
