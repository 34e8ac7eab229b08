from __future__ import annotations

import math

from rtmon.metrics.histogram import Histogram, HistogramRecorder
from rtmon.metrics.records import Sample
from rtmon.views.series import RTT_WINDOW, Series, total


def sample(seq: int, *, elapsed: float = 1.0, **values: object) -> Sample:
    """A second of it."""
    return Sample(node="n", epoch="e", seq=seq, time=1000.0 + seq, elapsed=elapsed, **values)


def rtts(*values: float) -> Histogram:
    """A histogram of these seconds."""
    recorder = HistogramRecorder()
    for value in values:
        recorder.record(value)
    return recorder.take()


def test_rates_divide_by_real_time() -> None:
    """A rate is the gain divided by the seconds that really passed."""
    (point,) = Series().extend([sample(1, elapsed=2.0, messages_in=10, bytes_out=None)])
    assert point.messages_in == 5.0
    assert math.isnan(point.bytes_out)


def test_percentiles_come_from_merged_histograms() -> None:
    """Percentiles are those of all round trips in the window, not averages of percentiles."""
    series = Series()
    series.extend([sample(1, rtt=rtts(*[0.001] * 99))])
    (point,) = series.extend([sample(2, rtt=rtts(0.5))])
    assert point.rtt_p50 == point.rtt_p95
    assert math.isclose(point.rtt_p99, 1.0, rel_tol=0.04)


def test_round_trips_leave_the_window() -> None:
    """A round trip older than the window is in no percentile, and no round trip is no number."""
    series = Series()
    series.extend([sample(1, rtt=rtts(0.25))])
    points = series.extend([sample(seq) for seq in range(2, int(RTT_WINDOW) + 3)])
    assert not math.isnan(points[int(RTT_WINDOW) - 2].rtt_p99)
    assert math.isnan(points[int(RTT_WINDOW) - 1].rtt_p99)


def test_nothing_twice() -> None:
    """Samples that are known already add no points."""
    series = Series()
    series.extend([sample(1), sample(2)])
    assert [point.seq for point in series.extend([sample(2), sample(3)])] == [3]
    assert [point.seq for point in series.points] == [1, 2, 3]


def test_another_epoch_begins_anew() -> None:
    """When counting began anew, nothing of the time before is left."""
    series = Series()
    assert series.follow("a")
    series.extend([sample(7, rtt=rtts(0.1))])
    assert not series.follow("a")
    assert series.follow("b")
    (point,) = series.extend([sample(1)])
    assert list(series.points) == [point]
    assert math.isnan(point.rtt_p50)


def test_total_leaves_out_what_is_unknown() -> None:
    """A total is over the samples that know the number; None if none does."""
    rows = [sample(1, wire_in=3), sample(2, wire_in=None), sample(3, wire_in=4)]
    assert total(rows, "wire_in") == (7, 2.0)
    assert total([sample(1, wire_in=None)], "wire_in") is None
