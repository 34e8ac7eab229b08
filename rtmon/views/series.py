"""What the charts and tiles draw, derived from Samples one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..metrics.histogram import Histogram
from ..metrics.records import Sample

__all__ = ["COLUMNS", "HISTORY", "RTT_WINDOW", "Point", "Series", "total"]

RTT_WINDOW = 30.0
"""Seconds of which each RTT percentile is drawn: one keepalive interval of ``websockets`` (20 s
by default) and some more, so that every connection is in each."""

HISTORY = 3600
"""Points kept: an hour of seconds, what a feed keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One moment on all charts. What is not known is NaN, which a chart leaves blank.

    Attributes:
        seq: number of the Sample.
        time: milliseconds since 1970, as browsers count.
        open: connections.
        messages_in: and its like: increase per second.
        rtt_p50: and its like: milliseconds, over :data:`RTT_WINDOW`.
        errors: per second.
    """

    seq: int
    time: float
    open: float
    messages_in: float
    messages_out: float
    bytes_in: float
    bytes_out: float
    rtt_p50: float
    rtt_p95: float
    rtt_p99: float
    errors: float


COLUMNS: tuple[str, ...] = tuple(Point.__dataclass_fields__)

_NAN = float("nan")


def _number(value: float | None, factor: float = 1.0) -> float:
    return _NAN if value is None else value * factor


class Series:
    """The points of one epoch, oldest first."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq = 0
        self.points: deque[Point] = deque(maxlen=HISTORY)
        self._recent: deque[Sample] = deque()
        self._age = 0.0

    def follow(self, epoch: str | None) -> bool:
        """Begin anew if the epoch is another than before; returns whether it is."""
        if epoch == self.epoch:
            return False
        self.epoch, self.seq, self._age = epoch, 0, 0.0
        self.points.clear()
        self._recent.clear()
        return True

    def extend(self, samples: Iterable[Sample]) -> list[Point]:
        """Add the points of Samples that are newer than what is known; returns them."""
        fresh = [self._point(sample) for sample in samples if sample.seq > self.seq]
        self.points.extend(fresh)
        if fresh:
            self.seq = fresh[-1].seq
        return fresh

    def _point(self, sample: Sample) -> Point:
        self._recent.append(sample)
        self._age += sample.elapsed
        while len(self._recent) > 1 and self._age - self._recent[0].elapsed >= RTT_WINDOW:
            self._age -= self._recent.popleft().elapsed
        rtt = Histogram.merged(each.rtt for each in self._recent)
        return Point(
            seq=sample.seq,
            time=sample.time * 1e3,
            open=sample.open,
            messages_in=_number(sample.rate("messages_in")),
            messages_out=_number(sample.rate("messages_out")),
            bytes_in=_number(sample.rate("bytes_in")),
            bytes_out=_number(sample.rate("bytes_out")),
            rtt_p50=_number(rtt.quantile(0.50), 1e3),
            rtt_p95=_number(rtt.quantile(0.95), 1e3),
            rtt_p99=_number(rtt.quantile(0.99), 1e3),
            errors=_number(sample.rate("errors")),
        )


def total(samples: Sequence[Sample], counter: str) -> tuple[int, float] | None:
    """What a counter gained over Samples, and in how many seconds; None if it is not known."""
    known = [
        (value, sample.elapsed)
        for sample in samples
        if (value := getattr(sample, counter)) is not None
    ]
    if not known:
        return None
    return sum(value for value, _ in known), sum(elapsed for _, elapsed in known)
