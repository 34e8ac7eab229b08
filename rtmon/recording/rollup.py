"""Merge Samples of single ticks, as they arrive, into Samples of 10 and of 60 ticks."""

from __future__ import annotations

from collections.abc import Iterator

from ..metrics.history import merge
from ..metrics.records import Sample

__all__ = ["Level", "Rollup"]


class Level:
    """Merges Samples into points of a fixed number of ticks.

    Points are aligned to tick numbers, and not to the start of the recording. With 10 ticks, the
    first point covers the ticks 1 to 10, the second point the ticks 11 to 20.
    :class:`rtmon.metrics.history.History` does the same.

    Attributes:
        ticks: number of ticks in a complete point.
    """

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self._parts: list[tuple[Sample, int]] = []

    def add(self, sample: Sample, ticks: int) -> Iterator[tuple[Sample, int]]:
        """Add a Sample merged from ``ticks`` ticks; yield the points that are now complete.

        Each point is a merged Sample and the number of ticks in it.
        """
        if self._parts and self._bucket(self._parts[-1][0]) != self._bucket(sample):
            yield from self.flush()
        self._parts.append((sample, ticks))
        if sample.seq % self.ticks == 0:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[Sample, int]]:
        """Yield the incomplete last point, if there is one: a Sample and its number of ticks."""
        parts, self._parts = self._parts, []
        if parts:
            yield merge([part for part, _ in parts]), sum(ticks for _, ticks in parts)

    def _bucket(self, sample: Sample) -> int:
        return (sample.seq - 1) // self.ticks


class Rollup:
    """Merges single ticks into points of 10 ticks, and these into points of 60 ticks."""

    def __init__(self) -> None:
        self._tens, self._sixties = Level(10), Level(60)

    def add(self, sample: Sample) -> list[tuple[int, Sample, int]]:
        """Add the Sample of a tick; return the points that are now complete.

        Each point is a tuple: its resolution (1, 10 or 60), its Sample, the number of ticks in it.
        """
        points = [(1, sample, 1)]
        for ten, ticks in self._tens.add(sample, 1):
            points.append((10, ten, ticks))
            points += [(60, sixty, n) for sixty, n in self._sixties.add(ten, ticks)]
        return points

    def restore(self, ten: Sample, ticks: int) -> None:
        """Add a point of 10 ticks that was read from the file, to continue an interrupted epoch."""
        list(self._sixties.add(ten, ticks))

    def flush(self) -> list[tuple[int, Sample, int]]:
        """Return the incomplete points at the end of an epoch, as tuples like :meth:`add`."""
        points = []
        for ten, ticks in self._tens.flush():
            points.append((10, ten, ticks))
            points += [(60, sixty, n) for sixty, n in self._sixties.add(ten, ticks)]
        return points + [(60, sixty, n) for sixty, n in self._sixties.flush()]
