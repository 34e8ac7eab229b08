"""Time series of single connections: those shown by a view, and the most notable ones. Pure.

Cost: a tuple of 16 numbers a tick and connection, for at most :data:`NOTABLE` notable and
:data:`LOOKED_AT` looked-at connections, kept for :data:`POINTS` ticks: 15 MB if all are in use.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from heapq import nlargest

from .meter import Meter

__all__ = ["COLUMNS", "ConnectionSeries", "Moment"]

NOTABLE = 200
"""Maximum number of notable connections followed: the busiest and slowest at present."""

LOOKED_AT = 50
"""Maximum number of connections followed on request; the oldest are dropped first."""

LOOKED_SECONDS = 60.0
"""Seconds for which a connection is followed after the last request."""

CHOSEN_TICKS = 10
"""Ticks between two selections of notable connections."""

POINTS = 300
"""Maximum number of ticks kept of each connection."""

_COUNTERS = (
    *("messages_in", "messages_out", "bytes_in", "bytes_out", "wire_in", "wire_out"),
    *("errors", "dropped", "handler_time"),
)
_GAUGES = ("rtt", "rtt_p99", "send_queue", "queue_age")

COLUMNS: tuple[str, ...] = (*_COUNTERS, *_GAUGES)
"""Columns of each tick: increases of counters, and gauges."""

Moment = tuple[int, float, float, tuple[float | None, ...]]
"""A tick's number, its time in Unix seconds, its seconds, and the values of :data:`COLUMNS`."""


class _Followed:
    """One followed connection."""

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
    """Follows some connections of a Collector. Readable on any thread; ticks on the loop's.

    Args:
        unknown: kind of probe → columns that it cannot know.
    """

    def __init__(self, unknown: Mapping[str, frozenset[str]]) -> None:
        self._unknown = unknown
        self._lock = threading.Lock()
        self._looked_at: OrderedDict[str, float] = OrderedDict()  # id → monotonic seconds
        self._notable: set[str] = set()
        self._followed: dict[str, _Followed] = {}

    def look(self, identity: str, now: float) -> None:
        """Follow an open connection for a minute from now, monotonic seconds."""
        with self._lock:
            self._looked_at[identity] = now
            self._looked_at.move_to_end(identity)
            while len(self._looked_at) > LOOKED_AT:
                self._looked_at.popitem(last=False)

    def points(self, identity: str) -> list[Moment]:
        """Return the series of a connection, oldest tick first."""
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
        """Record a tick of every followed connection.

        Args:
            seq: the tick's number.
            now: monotonic seconds.
            time: Unix seconds.
            elapsed: seconds since the tick before.
            open_now: id → meter of the open connections.
            changed: meters that changed since the tick before.
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
