"""Points of charts: series, rates, percentiles and timelines."""

from __future__ import annotations

import math

from rtmon.metrics.histogram import Histogram, HistogramRecorder
from rtmon.metrics.records import Sample
from rtmon.views.chart_points import COLUMNS, Timeline, columns
from rtmon.views.merged_samples import MergedSamples, latest
from rtmon.views.server_charts import CHARTS, RTT_WINDOW


def sample(seq: int, *, elapsed: float = 1.0, **values: object) -> Sample:
    """Return a sample, of one second unless given otherwise."""
    return Sample(node="n", epoch="e", seq=seq, time=1000.0 + seq, elapsed=elapsed, **values)


def rtts(*values: float) -> Histogram:
    """Return a histogram of durations given in seconds."""
    recorder = HistogramRecorder()
    for value in values:
        recorder.record(value)
    return recorder.take()


def test_every_chart_series_has_its_own_column() -> None:
    """Every chart series has a unique key and a column with one value for each point."""
    keys = [series.key for chart in CHARTS for series in chart.series]
    assert list(COLUMNS) == ["seq", "time", *keys]
    assert len(set(COLUMNS)) == len(COLUMNS)
    table = columns(Timeline().extend([sample(1), sample(2)]))
    assert {len(values) for values in table.values()} == {2}
    assert table["time"] == [1001e3, 1002e3]


def test_chart_points_have_lag_in_milliseconds_and_cpu_in_percent() -> None:
    """Chart points have event-loop lag in milliseconds and CPU in percent of a core, and NaN when
    these are unknown.
    """
    known, unknown = Timeline().extend([sample(1, lag=rtts(0.002), cpu=0.25), sample(2, lag=None)])
    assert math.isclose(known["lag_p99"], 2.0, rel_tol=0.04)
    assert known["cpu"] == 25.0
    assert math.isnan(unknown["lag_p99"])
    assert math.isnan(unknown["cpu"])


def test_chart_rate_is_divided_by_the_elapsed_time() -> None:
    """Chart rate is the count divided by the seconds between two ticks, and NaN when the count is
    unknown.
    """
    (point,) = Timeline().extend([sample(1, elapsed=2.0, messages_in=10, bytes_out=None)])
    assert point["messages_in"] == 5.0
    assert math.isnan(point["bytes_out"])


def test_chart_percentiles_are_those_of_all_round_trips_in_the_window() -> None:
    """Chart percentiles are those of all round trips in the window, not averages of percentiles."""
    timeline = Timeline()
    timeline.extend([sample(1, rtt=rtts(*[0.001] * 99))])
    (point,) = timeline.extend([sample(2, rtt=rtts(0.5))])
    assert point["rtt_p50"] == point["rtt_p95"]
    assert math.isclose(point["rtt_p99"], 1.0, rel_tol=0.04)


def test_chart_percentiles_ignore_round_trips_older_than_the_window() -> None:
    """Chart percentiles ignore round trips older than the window, and are NaN when the window has
    none.
    """
    timeline = Timeline()
    timeline.extend([sample(1, rtt=rtts(0.25))])
    points = timeline.extend([sample(seq) for seq in range(2, int(RTT_WINDOW) + 3)])
    assert not math.isnan(points[int(RTT_WINDOW) - 2]["rtt_p99"])
    assert math.isnan(points[int(RTT_WINDOW) - 1]["rtt_p99"])


def test_timeline_ignores_samples_that_it_already_has() -> None:
    """Chart timeline ignores samples that it already has."""
    timeline = Timeline()
    timeline.extend([sample(1), sample(2)])
    assert [point.seq for point in timeline.extend([sample(2), sample(3)])] == [3]
    assert [point.seq for point in timeline.points] == [1, 2, 3]


def test_timeline_drops_all_points_when_the_server_restarts() -> None:
    """Chart timeline drops all points and round trips of the time before a server restart."""
    timeline = Timeline()
    assert timeline.follow("a")
    timeline.extend([sample(7, rtt=rtts(0.1))])
    assert not timeline.follow("a")
    assert timeline.follow("b")
    (point,) = timeline.extend([sample(1)])
    assert list(timeline.points) == [point]
    assert math.isnan(point["rtt_p50"])


def test_merged_total_ignores_unknown_values() -> None:
    """Samples merged into one chart point total a column over the samples that know it, and
    give None when none knows it.
    """
    rows = [sample(1, wire_in=3), sample(2, wire_in=None), sample(3, wire_in=4)]
    assert MergedSamples(rows).total("wire_in") == (7, 2.0)
    assert MergedSamples(rows).rate("wire_in") == 3.5
    assert MergedSamples([sample(1, wire_in=None)]).total("wire_in") is None


def test_merged_samples_have_the_highest_gauge_and_common_quantiles() -> None:
    """Samples merged into one chart point have the highest value of a gauge and the quantiles
    of all their round trips.
    """
    span = MergedSamples(
        [sample(1, cpu=0.5, rtt=rtts(*[0.001] * 99)), sample(2, cpu=0.1, rtt=rtts(0.5))]
    )
    assert span.highest("cpu") == 0.5
    assert span.highest("memory") is None
    assert math.isclose(span.quantile("rtt", 0.5) or 0.0, 0.001, rel_tol=0.04)
    assert math.isclose(span.quantile("rtt", 1.0) or 0.0, 0.5, rel_tol=0.04)


def test_latest_samples_are_chosen_by_elapsed_time() -> None:
    """Latest samples of a time span are chosen by the samples' elapsed time, not by their
    number.
    """
    rows = [sample(seq, elapsed=0.5) for seq in range(1, 11)]
    assert [row.seq for row in latest(rows, 1.0)] == [9, 10]
    assert [row.seq for row in latest(rows, 1.0, skip=2.0)] == [5, 6]
    assert latest(rows, 1.0, skip=60.0) == []
