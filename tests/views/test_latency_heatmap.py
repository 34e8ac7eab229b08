"""The heat map of latencies: rows by value, columns by time."""

from __future__ import annotations

from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.records import Sample
from rtmon.views.latency_heatmap import BOUNDS, heat_columns


def sample(seq: int, *milliseconds: float) -> Sample:
    """Return a sample with these round trips in milliseconds and no other latency."""
    recorder = HistogramRecorder()
    for value in milliseconds:
        recorder.record(value / 1e3)
    return Sample(
        node="n",
        epoch="e",
        seq=seq,
        time=float(seq),
        elapsed=1.0,
        rtt=recorder.take(),
        handler=None,
    )


def test_heat_map_counts_each_value_in_the_row_of_its_bounds() -> None:
    """Heat map counts each value in the row whose bounds contain it, and values outside all bounds
    in the first or last row.
    """
    assert list(BOUNDS) == sorted(BOUNDS)
    for value in (0.02, 0.3, 1.0, 7.77, 250.0, 90_000.0):
        (row, count), bound = heat_columns([sample(1, value)], 1)["rtt"][0], value / 1e3
        assert count == 1
        assert BOUNDS[row] <= bound < BOUNDS[row + 1]
    assert heat_columns([sample(1, 0.001, 500_000.0)], 1)["rtt"] == [[0, 1, len(BOUNDS) - 2, 1]]


def test_heat_map_merges_ticks_into_columns_by_tick_number() -> None:
    """Heat map merges ticks into columns by tick number, and has null where nothing is measured."""
    samples = [sample(seq, 1.0, *[9.0] * (seq == 3)) for seq in range(2, 8)]
    found = heat_columns(samples, 3)
    assert found["seq"] == [3, 6, 7]
    assert found["time"] == [3000, 6000, 7000]
    assert [counts[1] for counts in found["rtt"]] == [2, 3, 1]
    assert len(found["rtt"][0]) == 4
    assert found["handler"] == [None, None, None]
    assert heat_columns([sample(1)], 1)["rtt"] == [[]]
