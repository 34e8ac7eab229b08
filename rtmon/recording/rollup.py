"""Merge ticks into points of 10 and 60 ticks as they come. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..metrics.history import merge
from ..metrics.records import Sample

__all__ = ["Level", "Rollup"]


class Level:
    """One resolution: merged Samples, aligned to the numbers of ticks.

    A point holds the ticks 1 to ``ticks``, ``ticks + 1`` to ``2 * ticks`` and so on, as in
    :class:`rtmon.metrics.history.History`, whenever the recording began.

    Attributes:
        ticks: ticks of a complete point.
    """

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self._parts: list[tuple[Sample, int]] = []

    def add(self, sample: Sample, ticks: int) -> Iterator[tuple[Sample, int]]:
        """Add a Sample of some ticks; yield the points that are complete now."""
        if self._parts and self._bucket(self._parts[-1][0]) != self._bucket(sample):
            yield from self.flush()
        self._parts.append((sample, ticks))
        if sample.seq % self.ticks == 0:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[Sample, int]]:
        """Yield the last, incomplete point."""
        parts, self._parts = self._parts, []
        if parts:
            yield merge([part for part, _ in parts]), sum(ticks for _, ticks in parts)

    def _bucket(self, sample: Sample) -> int:
        return (sample.seq - 1) // self.ticks


class Rollup:
    """All resolutions above single ticks, each made of the one below."""

    def __init__(self) -> None:
        self._tens, self._sixties = Level(10), Level(60)

    def add(self, sample: Sample) -> list[tuple[int, Sample, int]]:
        """Add a tick's Sample; return the points that are complete now: level, Sample, ticks."""
        points = [(1, sample, 1)]
        for ten, ticks in self._tens.add(sample, 1):
            points.append((10, ten, ticks))
            points += [(60, sixty, n) for sixty, n in self._sixties.add(ten, ticks)]
        return points

    def restore(self, ten: Sample, ticks: int) -> None:
        """Add a point of 10 ticks that is written already."""
        list(self._sixties.add(ten, ticks))

    def flush(self) -> list[tuple[int, Sample, int]]:
        """Return the incomplete points at the end of the epoch."""
        points = []
        for ten, ticks in self._tens.flush():
            points.append((10, ten, ticks))
            points += [(60, sixty, n) for sixty, n in self._sixties.add(ten, ticks)]
        return points + [(60, sixty, n) for sixty, n in self._sixties.flush()]
