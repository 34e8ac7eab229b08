"""Histograms with fixed log-linear buckets, which can be merged without loss.

A value is first rounded to a whole number of steps. A step is one microsecond for durations, and
one byte for sizes. Each of the values 0 to 15 has a bucket of its own. Above, the range from each
power of two to the next is divided into 16 buckets of equal width. A quantile is therefore off by
at most half a bucket: 1/32, about 3 %. This is the layout of HdrHistogram
(http://hdrhistogram.org) with four significant bits.

All histograms have the same buckets. So the percentiles over several ticks or several nodes are
computed from the merged histogram, and percentiles are never averaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = [
    "BYTE",
    "EMPTY",
    "MICROSECOND",
    "NO_SIZES",
    "Histogram",
    "HistogramRecorder",
    "bucket",
    "bucket_bounds",
    "bucket_middle",
    "format_tally",
    "merge_tallies",
    "parse_tally",
    "plain",
    "rank",
]

_SUB_BITS = 4
_SUB = 1 << _SUB_BITS

MICROSECOND = 1e-6
"""Size of one step in a histogram of durations, in seconds."""

BYTE = 1.0
"""Size of one step in a histogram of sizes, in bytes."""


def bucket(steps: int) -> int:
    """Return the index of the bucket for a value in steps. A negative value counts as 0."""
    if steps < _SUB:
        return max(steps, 0)
    shift = steps.bit_length() - _SUB_BITS - 1
    return (shift << _SUB_BITS) + (steps >> shift)


def bucket_bounds(index: int) -> tuple[int, int]:
    """Return the smallest value of a bucket and the smallest value of the next, in steps."""
    if index < 2 * _SUB:
        return index, index + 1
    shift = (index >> _SUB_BITS) - 1
    first = (index - (shift << _SUB_BITS)) << shift
    return first, first + (1 << shift)


def bucket_middle(index: int) -> float:
    """Return the middle of a bucket, in steps, which stands for all values in the bucket."""
    first, end = bucket_bounds(index)
    return (first + end - 1) / 2


def rank(q: float, count: int) -> int:
    """Return the rank of the quantile ``q`` (0 to 1) among ``count`` sorted values.

    Ranks count from 1 (nearest-rank method): the result is ⌈q·count⌉, and at least 1.
    """
    return max(1, min(count, -int(-q * count // 1)))


@dataclass(frozen=True, slots=True)
class Histogram:
    """An immutable histogram of durations or of sizes.

    Attributes:
        counts: index of a bucket → number of values in the bucket. Empty buckets are omitted.
        total: sum of all values, in steps.
        resolution: size of a step: :data:`MICROSECOND` or :data:`BYTE`.
    """

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    total: int = 0
    resolution: float = MICROSECOND

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.counts.items())), self.total))

    @property
    def count(self) -> int:
        """Number of values in the histogram."""
        return sum(self.counts.values())

    @property
    def sum(self) -> float:
        """Sum of the histogram's values, in seconds or bytes."""
        return self.total * self.resolution

    def quantile(self, q: float) -> float | None:
        """Return the quantile ``q`` (0 to 1), in seconds or bytes; None without values.

        The result is the middle of the bucket that contains the value of rank ⌈q·count⌉.
        """
        count = self.count
        if not count:
            return None
        place = rank(q, count)
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= place:
                break
        return bucket_middle(index) * self.resolution

    def __str__(self) -> str:
        """Return the histogram as text: the sum in steps, then ``bucket:count`` pairs in order.

        The text of a histogram without values is "".
        """
        if not self.counts:
            return ""
        return f"{self.total} {format_tally(self.counts)}"

    @classmethod
    def parse(cls, text: str, resolution: float = MICROSECOND) -> Histogram:
        """Parse the text that ``str(histogram)`` returned.

        Raises:
            ValueError: the text is malformed.
        """
        if not text:
            return cls.empty(resolution)
        total, _, tally = text.partition(" ")
        return cls(parse_tally(tally), int(total), resolution)

    @classmethod
    def empty(cls, resolution: float = MICROSECOND) -> Histogram:
        """Return a histogram without values."""
        return EMPTY if resolution == MICROSECOND else NO_SIZES

    @classmethod
    def merged(cls, histograms: Iterable[Histogram | None]) -> Histogram:
        """Merge histograms of equal resolution into one. None entries are ignored."""
        known = [histogram for histogram in histograms if histogram is not None]
        resolution = known[-1].resolution if known else MICROSECOND
        counts = merge_tallies(histogram.counts for histogram in known)
        if not counts:
            return cls.empty(resolution)
        return cls(counts, sum(histogram.total for histogram in known), resolution)


EMPTY = Histogram()
"""A histogram of durations without values."""

NO_SIZES = Histogram(resolution=BYTE)
"""A histogram of sizes without values."""

UNSORTED = 4096
"""Number of distinct values at which a HistogramRecorder sorts its values into buckets."""


class _Forgotten(defaultdict[int, int]):
    """A dict that discards everything added to it."""

    def __missing__(self, key: int) -> int:
        return 0

    def __setitem__(self, key: int, value: int) -> None:
        pass


class HistogramRecorder:
    """Collects values. :meth:`take` returns their histogram and resets the recorder.

    Attributes:
        resolution: size of a step: :data:`MICROSECOND` or :data:`BYTE`.
        steps: value in steps → number of occurrences. Hot paths add to this dict directly, with
            one dictionary operation per value. :meth:`take` sorts the values into buckets.
    """

    __slots__ = ("_sorted", "resolution", "steps")

    def __init__(self, resolution: float = MICROSECOND) -> None:
        self.resolution = resolution
        self.steps: defaultdict[int, int] = defaultdict(int)
        self._sorted: Histogram | None = None

    def record(self, value: float) -> None:
        """Add one value, in seconds or bytes.

        Memory stays bounded even if :meth:`take` is never called: at :data:`UNSORTED` distinct
        values, the values are sorted into buckets.
        """
        self.steps[max(0, round(value / self.resolution))] += 1
        if len(self.steps) >= UNSORTED:
            self._sorted, self.steps = self.peek(), defaultdict(int)

    def take(self) -> Histogram:
        """Return the histogram of the values recorded since the last call, and discard them."""
        taken = self.peek()
        self._sorted, self.steps = None, type(self.steps)(int)
        return taken

    def peek(self) -> Histogram:
        """Return the histogram of the values recorded since the last :meth:`take`; keep them."""
        new = self._histogram(self.steps)
        return new if self._sorted is None else Histogram.merged((self._sorted, new))

    def stop(self) -> None:
        """Discard all values, also those that hot paths add after this call."""
        self._sorted, self.steps = None, _Forgotten(int)

    def _histogram(self, steps: Mapping[int, int]) -> Histogram:
        if not steps:
            return Histogram.empty(self.resolution)
        counts: dict[int, int] = {}
        total = 0
        for value, count in steps.items():
            index = bucket(value)
            counts[index] = counts.get(index, 0) + count
            total += value * count
        return Histogram(counts, total, self.resolution)


def format_tally(tally: Mapping[int, int]) -> str:
    """Return a tally as text: ``key:count`` pairs in order of keys, separated by spaces."""
    return " ".join(f"{key}:{tally[key]}" for key in sorted(tally))


_SCALARS = (str, int, float, type(None))


def plain(value: Any) -> Any:
    """Return a value for feeds and files: histograms and tallies as text, others unchanged."""
    if isinstance(value, _SCALARS):  # most values; testing for Mapping is slower
        return value
    if isinstance(value, Histogram):
        return str(value)
    return format_tally(value) if isinstance(value, Mapping) else value


def merge_tallies(tallies: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Merge tallies, by adding up the counts of each key."""
    merged: dict[int, int] = {}
    for tally in tallies:
        for key, count in tally.items():
            merged[key] = merged.get(key, 0) + count
    return merged


def parse_tally(text: str) -> dict[int, int]:
    """Parse the text that :func:`format_tally` returned.

    Raises:
        ValueError: the text is malformed.
    """
    return {int(key): int(count) for key, count in (pair.split(":") for pair in text.split())}
