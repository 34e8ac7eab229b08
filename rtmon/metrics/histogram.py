"""Histograms with fixed log-linear buckets: record in O(1), merge, ask for quantiles.

A value is first made a whole number of resolution steps (one microsecond for durations).
Steps below 16 have a bucket each; above, every power of two is cut into 16 buckets of equal
width, so a quantile is off by at most half a bucket: 1/32, about 3 %. This is the layout of
HdrHistogram (http://hdrhistogram.org) with four significant bits. Since the buckets are the
same everywhere, histograms of different seconds and nodes merge without loss; percentiles are
never averaged.
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
"""Resolution of durations, in seconds."""

BYTE = 1.0
"""Resolution of sizes, in bytes."""


def bucket(steps: int) -> int:
    """The bucket that a whole number of steps falls into; negative numbers count as 0."""
    if steps < _SUB:
        return max(steps, 0)
    shift = steps.bit_length() - _SUB_BITS - 1
    return (shift << _SUB_BITS) + (steps >> shift)


def bucket_bounds(index: int) -> tuple[int, int]:
    """The first step in a bucket and the first step past it."""
    if index < 2 * _SUB:
        return index, index + 1
    shift = (index >> _SUB_BITS) - 1
    first = (index - (shift << _SUB_BITS)) << shift
    return first, first + (1 << shift)


def bucket_middle(index: int) -> float:
    """Return the representative steps of a bucket: its middle."""
    first, end = bucket_bounds(index)
    return (first + end - 1) / 2


def rank(q: float, count: int) -> int:
    """Place, from 1, of the least of ``count`` sorted values that a share ``q`` does not exceed."""
    return max(1, min(count, -int(-q * count // 1)))


@dataclass(frozen=True, slots=True)
class Histogram:
    """A finished histogram, of durations or of sizes.

    Attributes:
        counts: bucket → how many values fell into it; empty buckets are left out.
        total: sum of the values, in steps.
        resolution: what one step is: :data:`MICROSECOND` or :data:`BYTE`.
    """

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    total: int = 0
    resolution: float = MICROSECOND

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.counts.items())), self.total))

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts.values())

    @property
    def sum(self) -> float:
        """The sum of the values, in seconds or bytes."""
        return self.total * self.resolution

    def quantile(self, q: float) -> float | None:
        """The value, in seconds or bytes, that a share ``q`` (0 to 1) of all does not exceed.

        It is the middle of the bucket in which the value of rank ⌈q·count⌉ lies; None if
        nothing was recorded.
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
        """The sparse form: the sum in steps, then ``bucket:count`` in order."""
        if not self.counts:
            return ""
        return f"{self.total} {format_tally(self.counts)}"

    @classmethod
    def parse(cls, text: str, resolution: float = MICROSECOND) -> Histogram:
        """Read what ``str(histogram)`` wrote.

        Raises:
            ValueError: the text is not a sparse histogram.
        """
        if not text:
            return cls.empty(resolution)
        total, _, tally = text.partition(" ")
        return cls(parse_tally(tally), int(total), resolution)

    @classmethod
    def empty(cls, resolution: float = MICROSECOND) -> Histogram:
        """The histogram of no values."""
        return EMPTY if resolution == MICROSECOND else NO_SIZES

    @classmethod
    def merged(cls, histograms: Iterable[Histogram | None]) -> Histogram:
        """Merge histograms of the same kind into one.

        None, for unknown values, adds nothing.
        """
        known = [histogram for histogram in histograms if histogram is not None]
        resolution = known[-1].resolution if known else MICROSECOND
        counts = merge_tallies(histogram.counts for histogram in known)
        if not counts:
            return cls.empty(resolution)
        return cls(counts, sum(histogram.total for histogram in known), resolution)


EMPTY = Histogram()
"""The histogram of no durations."""

NO_SIZES = Histogram(resolution=BYTE)
"""The histogram of no sizes."""

UNSORTED = 4096
"""Distinct values that a HistogramRecorder keeps one by one before it sorts them into buckets."""


class _Forgotten(defaultdict[int, int]):
    """Discards everything that is added."""

    def __missing__(self, key: int) -> int:
        return 0

    def __setitem__(self, key: int, value: int) -> None:
        pass


class HistogramRecorder:
    """Collects values until :meth:`take` returns their histogram and resets.

    Attributes:
        steps: value in steps → how often it occurred. Hot paths add to it directly, one
            dictionary operation a value; values are sorted into buckets only by ``take``.
    """

    __slots__ = ("_sorted", "resolution", "steps")

    def __init__(self, resolution: float = MICROSECOND) -> None:
        self.resolution = resolution
        self.steps: defaultdict[int, int] = defaultdict(int)
        self._sorted: Histogram | None = None

    def record(self, value: float) -> None:
        """Add one value, in seconds or bytes.

        Even without a :meth:`take`, at most :data:`UNSORTED` distinct values are kept.
        """
        self.steps[max(0, round(value / self.resolution))] += 1
        if len(self.steps) >= UNSORTED:
            self._sorted, self.steps = self.peek(), defaultdict(int)

    def take(self) -> Histogram:
        """Return the histogram of the values since the last call, and reset."""
        taken = self.peek()
        self._sorted, self.steps = None, type(self.steps)(int)
        return taken

    def peek(self) -> Histogram:
        """Return the histogram of the values since the last :meth:`take`, without a reset."""
        new = self._histogram(self.steps)
        return new if self._sorted is None else Histogram.merged((self._sorted, new))

    def stop(self) -> None:
        """Discard all values, including those that hot paths still add."""
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
    """A tally as text: ``key:count`` in order of keys, separated by spaces."""
    return " ".join(f"{key}:{tally[key]}" for key in sorted(tally))


_SCALARS = (str, int, float, type(None))


def plain(value: Any) -> Any:
    """A value as it is sent and written: histograms and tallies in their text form."""
    if isinstance(value, _SCALARS):  # most are, and to ask for a Mapping takes longer
        return value
    if isinstance(value, Histogram):
        return str(value)
    return format_tally(value) if isinstance(value, Mapping) else value


def merge_tallies(tallies: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Merge tallies: return the total of each key."""
    merged: dict[int, int] = {}
    for tally in tallies:
        for key, count in tally.items():
            merged[key] = merged.get(key, 0) + count
    return merged


def parse_tally(text: str) -> dict[int, int]:
    """Read what :func:`format_tally` wrote.

    Raises:
        ValueError: the text is not a tally.
    """
    return {int(key): int(count) for key, count in (pair.split(":") for pair in text.split())}
