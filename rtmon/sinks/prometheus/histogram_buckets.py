"""Convert rtmon's histograms to histogram buckets of Prometheus."""

from __future__ import annotations

import functools

from prometheus_client.utils import floatToGoString

from ...metrics.histogram import Histogram, bucket

__all__ = ["BOUNDS", "cumulative"]

BOUNDS: tuple[int, ...] = tuple((1 << power) - 1 for power in range(4, 27))
"""Upper bounds of the buckets of every metric, in steps of the histogram's resolution: 15 µs to
67 s, or 15 B to 64 MiB.

In Prometheus, a value that equals a bound belongs to the bucket below it. In
:mod:`rtmon.metrics.histogram`, a bucket begins at every power of two. So the buckets before it hold
exactly the values up to one step below that power, and no value is counted in a wrong bucket.
"""


def cumulative(histogram: Histogram) -> list[tuple[str, int]]:
    """Return a tuple for each bucket bound: the bound as text, and the number of values up to it.

    The last pair has the total number of values.
    """
    buckets: list[tuple[str, int]] = []
    counts = sorted(histogram.counts.items(), reverse=True)
    seen = 0
    for end, le in _ends(histogram.resolution):
        while counts and counts[-1][0] < end:
            seen += counts.pop()[1]
        buckets.append((le, seen))
    return [*buckets, ("+Inf", seen + sum(count for _, count in counts))]


@functools.cache
def _ends(resolution: float) -> list[tuple[int, str]]:
    """Return for each bound the index of rtmon's first bucket above it, and the bound's label."""
    return [
        # Twelve digits represent each bound exactly, without rounding errors of the product.
        (bucket(bound + 1), floatToGoString(float(f"{bound * resolution:.12g}")))  # type: ignore[no-untyped-call]
        for bound in BOUNDS
    ]
