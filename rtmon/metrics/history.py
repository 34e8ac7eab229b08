"""The history of an epoch: ring buffers with the latest Samples and Events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, TypeVar

from .columns import HISTOGRAMS, SAMPLE
from .histogram import Histogram, merge_tallies
from .records import Event, Sample

__all__ = ["EVENTS", "History", "merge"]

T = TypeVar("T", Sample, Event)

_SUMS = ("elapsed", *(column.name for column in SAMPLE if column.kind == "counter"))


def merge(samples: Sequence[Sample]) -> Sample:
    """Merge consecutive Samples of one epoch into one Sample.

    Counters and elapsed times are summed. Histograms and tallies are merged. ``peak`` is the
    maximum. All other columns, such as gauges, are taken from the last Sample.

    Raises:
        ValueError: ``samples`` is empty.
    """
    if not samples:
        raise ValueError("no samples to merge")
    values: dict[str, Any] = {
        name: _total(getattr(sample, name) for sample in samples) for name in _SUMS
    }
    for column in HISTOGRAMS:
        parts = [getattr(sample, column.name) for sample in samples]
        known = any(part is not None for part in parts)
        values[column.name] = Histogram.merged(parts) if known else None
    codes = merge_tallies(sample.close_codes for sample in samples)
    values["peak"] = max(sample.peak for sample in samples)
    return replace(samples[-1], close_codes=codes, **values)


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


EVENTS = 10_000
"""Default for the maximum number of Events in a history."""


class History:
    """The latest Samples and Events of an epoch. May be read on any thread.

    The history keeps Samples of single ticks, and merged Samples for a longer time. With
    ``every=10``, each merged Sample contains ten ticks: 1 to 10, 11 to 20 and so on. These
    boundaries do not depend on the tick at which a feed connects, so that all feeds merge the same
    ticks.

    Args:
        seconds: maximum number of Samples of one tick; the default is one hour of seconds.
        coarse: maximum number of merged Samples; the default is one day of ten-second Samples.
        every: number of ticks in a merged Sample.
        events: maximum number of Events.
    """

    def __init__(
        self, *, seconds: int = 3600, coarse: int = 8640, every: int = 10, events: int = EVENTS
    ) -> None:
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=seconds)
        self._coarse: deque[tuple[Sample, int]] = deque(maxlen=coarse)
        self._pending: list[Sample] = []
        self._every = every
        self._events: deque[Event] = deque(maxlen=events)
        # For each Sample in `_samples`, the seq of the last Event up to its tick.
        self._last_events: deque[int] = deque(maxlen=seconds)

    def add(self, sample: Sample, events: Iterable[Event] = ()) -> None:
        """Add a Sample, and the Events of the same tick."""
        with self._lock:
            self._samples.append(sample)
            self._events.extend(events)
            self._last_events.append(self._events[-1].seq if self._events else 0)
            if self._pending and self._bucket(sample) != self._bucket(self._pending[-1]):
                self._merge_pending()  # Ticks are missing: the pending group stays incomplete.
            self._pending.append(sample)
            if sample.seq % self._every == 0:
                self._merge_pending()

    def _bucket(self, sample: Sample) -> int:
        return (sample.seq - 1) // self._every

    def _merge_pending(self) -> None:
        self._coarse.append((merge(self._pending), len(self._pending)))
        self._pending = []

    def extend_events(self, events: Iterable[Event]) -> None:
        """Add Events without a Sample."""
        with self._lock:
            self._events.extend(events)

    def last_event(self) -> int:
        """Return the ``seq`` of the newest Event; 0 before the first."""
        with self._lock:
            return self._events[-1].seq if self._events else 0

    def add_older(self, merged: Sequence[tuple[Sample, int]]) -> None:
        """Add merged Samples from before the oldest Sample in the history.

        Args:
            merged: the merged Samples, oldest first, each with its number of ticks. The last one
                may also contain ticks that are in the history already. It then replaces the
                history's own merged Sample, which was incomplete.
        """
        with self._lock:
            older = list(merged)
            while older and self._coarse and self._coarse[0][0].seq < older[-1][0].seq:
                older.pop()
            if older and self._coarse and self._coarse[0][0].seq == older[-1][0].seq:
                self._coarse.popleft()
            room = (self._coarse.maxlen or 0) - len(self._coarse)
            self._coarse.extendleft(reversed(older[max(0, len(older) - room) :]))

    def latest(self) -> Sample | None:
        """Return the newest Sample; None before the first."""
        with self._lock:
            return self._samples[-1] if self._samples else None

    def first(self) -> Sample | None:
        """Return the oldest Sample of a single tick; None before the first."""
        with self._lock:
            return self._samples[0] if self._samples else None

    def samples(self, since: int = 0) -> list[Sample]:
        """Return the Samples of single ticks with ``seq > since``, oldest first."""
        with self._lock:
            return _after(self._samples, since)

    def coarse(self) -> list[Sample]:
        """Return the merged Samples, oldest first."""
        with self._lock:
            return [sample for sample, _ in self._coarse]

    def level(self, ticks: int, *, ended: bool) -> list[tuple[Sample, int]]:
        """Return the Samples at one resolution, oldest first, each with its number of ticks.

        Args:
            ticks: number of ticks to merge into each Sample: 1, ``every``, or a multiple of
                ``every``.
            ended: True if the epoch has ended. The last Sample is then included even if it has
                fewer ticks.
        """
        with self._lock:
            if ticks == 1:
                return [(sample, 1) for sample in self._samples]
            parts = list(self._coarse)
            if ended and self._pending:
                parts.append((merge(self._pending), len(self._pending)))
        if ticks == self._every:
            return parts
        buckets = [list(group) for _, group in groupby(parts, lambda p: (p[0].seq - 1) // ticks)]
        if buckets and not ended and buckets[-1][-1][0].seq % ticks:
            buckets.pop()
        return [(merge([s for s, _ in each]), sum(n for _, n in each)) for each in buckets]

    def times(self, ticks: int) -> list[float]:
        """Return the Unix times of the complete Samples that :meth:`level` returns.

        Args:
            ticks: number of ticks in each Sample; see :meth:`level`.
        """
        with self._lock:
            if ticks == 1:
                return [sample.time for sample in self._samples]
            return [s.time for s, _ in self._coarse if s.seq % ticks == 0]

    def window(self, seconds: float) -> Sample | None:
        """Merge the Samples of the last seconds into one; None before the first Sample.

        For times before the oldest single tick (an hour ago, by default), merged Samples are used.
        The result may then begin up to ten ticks before the requested time.

        Args:
            seconds: length of the period that ends now.
        """
        with self._lock:
            kept = list(self._samples)
            if kept and seconds > sum(sample.elapsed for sample in kept):
                # Include the merged Sample that overlaps the oldest single ticks.
                end = kept[0].seq + self._every - 1
                older = [sample for sample, _ in self._coarse if sample.seq < end]
                if older:
                    kept = older + [each for each in kept if each.seq > older[-1].seq]
        chosen: list[Sample] = []
        elapsed = 0.0
        for sample in reversed(kept):
            if elapsed >= seconds:
                break
            chosen.append(sample)
            elapsed += sample.elapsed
        return merge(chosen[::-1]) if chosen else None

    def events(self, since: int = 0) -> list[Event]:
        """Return the Events with ``seq > since``, oldest first."""
        with self._lock:
            return _after(self._events, since)

    def events_after_sample(self, seq: int) -> list[Event]:
        """Return the Events after the tick of a Sample; all Events if it is no longer kept.

        Args:
            seq: ``seq`` of the Sample.
        """
        with self._lock:
            for sample, last in zip(self._samples, self._last_events, strict=True):
                if sample.seq >= seq:
                    return _after(self._events, last if sample.seq == seq else 0)
            return _after(self._events, 0)


def _after(ring: deque[T], since: int) -> list[T]:
    newer = 0
    for item in reversed(ring):
        if item.seq <= since:
            break
        newer += 1
    return list(islice(ring, len(ring) - newer, None))
