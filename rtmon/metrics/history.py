"""The history of a Monitor: bounded rings of Samples and Events."""

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
    """Merge consecutive Samples of one epoch into one.

    Counters and elapsed time add up, histograms and tallies merge, gauges and labels are the
    last one's, the peak is the highest.

    Raises:
        ValueError: there are no samples.
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
"""Events that a history keeps, unless it is told otherwise."""


class History:
    """The latest Samples and Events of an epoch; safe to read from other threads.

    Merged Samples are aligned by tick numbers: with ``every=10`` 1 to 10, 11 to 20 and so on,
    wherever a reader begins, so that all readers merge the same ticks.

    Args:
        seconds: how many Samples of one tick to keep; an hour of seconds by default.
        coarse: how many merged Samples to keep; a day of ten-second ones by default.
        every: how many ticks make one merged Sample.
        events: how many Events to keep.
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
        self._last_events: deque[int] = deque(maxlen=seconds)  # with each Sample, the last Event

    def add(self, sample: Sample, events: Iterable[Event] = ()) -> None:
        """Remember a Sample and the Events that came with it."""
        with self._lock:
            self._samples.append(sample)
            self._events.extend(events)
            self._last_events.append(self._events[-1].seq if self._events else 0)
            if self._pending and self._bucket(sample) != self._bucket(self._pending[-1]):
                self._merge_pending()  # the ticks in between were not received
            self._pending.append(sample)
            if sample.seq % self._every == 0:
                self._merge_pending()

    def _bucket(self, sample: Sample) -> int:
        return (sample.seq - 1) // self._every

    def _merge_pending(self) -> None:
        self._coarse.append((merge(self._pending), len(self._pending)))
        self._pending = []

    def extend_events(self, events: Iterable[Event]) -> None:
        """Remember Events that came without a Sample."""
        with self._lock:
            self._events.extend(events)

    def last_event(self) -> int:
        """``seq`` of the newest Event, 0 before the first."""
        with self._lock:
            return self._events[-1].seq if self._events else 0

    def add_older(self, merged: Sequence[tuple[Sample, int]]) -> None:
        """Remember merged Samples of before the first that is known.

        Args:
            merged: oldest first, each with how many ticks are in it. The last one may hold ticks
                that are known: it takes the place of what was merged of these alone.
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
        """The newest Sample, None before the first."""
        with self._lock:
            return self._samples[-1] if self._samples else None

    def first(self) -> Sample | None:
        """The oldest Sample of one tick, None before the first."""
        with self._lock:
            return self._samples[0] if self._samples else None

    def samples(self, since: int = 0) -> list[Sample]:
        """Samples with ``seq > since``, oldest first."""
        with self._lock:
            return _after(self._samples, since)

    def coarse(self) -> list[Sample]:
        """The merged Samples, oldest first."""
        with self._lock:
            return [sample for sample, _ in self._coarse]

    def level(self, ticks: int, *, ended: bool) -> list[tuple[Sample, int]]:
        """Samples of so many ticks each, oldest first, and how many ticks are in each.

        Args:
            ticks: 1, ``every``, or a multiple of ``every``.
            ended: True to include the last one though its ticks are not complete, because the
                epoch has ended.
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
        """Times of the Samples that :meth:`level` returns, but of an incomplete one."""
        with self._lock:
            if ticks == 1:
                return [sample.time for sample in self._samples]
            return [s.time for s, _ in self._coarse if s.seq % ticks == 0]

    def window(self, seconds: float) -> Sample | None:
        """Return the last seconds as one merged Sample; None before the first.

        Within the last hour it is made of single ticks, beyond that of merged ones, so it may begin
        up to ten ticks early.
        """
        with self._lock:
            kept = list(self._samples)
            if kept and seconds > sum(sample.elapsed for sample in kept):
                # The last of these may include ticks that are also kept singly.
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
        """Events with ``seq > since``, oldest first."""
        with self._lock:
            return _after(self._events, since)

    def events_after_sample(self, seq: int) -> list[Event]:
        """Return the Events after the Sample with this number; all if it is no longer kept."""
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
