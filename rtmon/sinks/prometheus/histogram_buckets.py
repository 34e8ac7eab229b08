"""Convert rtmon's histograms to the buckets of Prometheus."""

from __future__ import annotations

import functools

from prometheus_client.utils import floatToGoString

from ...metrics.histogram import Histogram, bucket

__all__ = ["BOUNDS", "cumulative"]

BOUNDS: tuple[int, ...] = tuple((1 << power) - 1 for power in range(4, 27))
"""Upper bounds of every histogram, in steps of its resolution: 15 µs to 67 s, 15 B to 64 MiB.

Prometheus counts a value that equals a bound below it. A bucket of
:mod:`rtmon.metrics.histogram` begins at every power of two, so the buckets before it hold
exactly the values up to the power minus one step: no value is ever counted on the wrong side.
"""


def cumulative(histogram: Histogram) -> list[tuple[str, int]]:
    """Return the number of values up to each bound, and the total."""
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
    """For each bound, the first of rtmon's buckets past it, and the bound as a label."""
    return [
        # Twelve digits say every bound exactly, without the noise of multiplying by 1e-6.
        (bucket(bound + 1), floatToGoString(float(f"{bound * resolution:.12g}")))  # type: ignore[no-untyped-call]
        for bound in BOUNDS
    ]
